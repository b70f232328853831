"""Pilothouse: policies learned, compared, understood, steered and guarded with one set of pieces.

    import pilothouse
    run = pilothouse.train(pilothouse.recipe("iql"), "./my-dataset-v0", steps=20_000, seeds=5)
    print(pilothouse.evaluate(run.policy(), "Hopper-v5", episodes=20))

What a name needs is imported when it is first called, so `import pilothouse` is quick and pulls no simulator.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

# Two rooms share their names with verbs. Importing them here, first, lets the verbs have the names for good:
# `from pilothouse.train import …` still finds the room, and `pilothouse.train(…)` learns.
import pilothouse.evaluate  # noqa: F401
import pilothouse.train  # noqa: F401

__version__ = "0.1.0"


def _verb(name: str) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        return getattr(import_module("pilothouse.api"), name)(*given, **named)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"See `pilothouse.api.{name}`."
    return call


dataset = _verb("dataset")
evaluate = _verb("evaluate")
examine = _verb("examine")
load = _verb("load")
papers = _verb("papers")
recipe = _verb("recipe")
train = _verb("train")

__all__ = ["dataset", "evaluate", "examine", "load", "papers", "recipe", "train"]
