"""Pilothouse: policies learned, compared, understood, steered and guarded with one set of pieces.

    import pilothouse
    run = pilothouse.train(pilothouse.recipe("iql"), "./my-dataset-v0", steps=20_000, seeds=5)
    print(pilothouse.evaluate(run.policy(), "Hopper-v5", episodes=20))

Names are imported when first used, so `import pilothouse` is quick and pulls no simulator.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pilothouse.api import dataset as dataset
    from pilothouse.api import evaluate as evaluate
    from pilothouse.api import load as load
    from pilothouse.api import papers as papers
    from pilothouse.api import recipe as recipe
    from pilothouse.api import train as train

__all__ = ["dataset", "evaluate", "load", "papers", "recipe", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from pilothouse import api

        return getattr(api, name)
    raise AttributeError(f"module 'pilothouse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
