"""Pilothouse: policies learned, compared, understood, steered and guarded with one set of pieces.

    import pilothouse
    run = pilothouse.train(pilothouse.recipe("iql"), "./my-dataset-v0", steps=20_000, seeds=5)
    print(pilothouse.evaluate(run.policy(), "Hopper-v5", episodes=20))

Names are imported when first used, so `import pilothouse` is quick and pulls no simulator.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

__all__ = ["dataset", "evaluate", "load", "papers", "recipe", "train"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("pilothouse.api"), name)
    raise AttributeError(f"module 'pilothouse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
