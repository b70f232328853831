"""Arms of a claim, measured alike: one source, one budget, the same seeds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.algorithm.recipe import Bound
from pilothouse.evaluate.claim import Measured
from pilothouse.train.session import learn
from pilothouse.train.sources import Source


def final_returns(
    arms: Mapping[str, tuple[Callable[..., Bound], Mapping[str, Any]]],
    source: Source,
    *,
    steps: int,
    seeds: Sequence[int],
) -> Measured:
    """Every arm (a recipe and its settings) learned for so many steps: its mean return over the last held-out episodes."""
    values, diverged = {}, {}
    for arm, (method, settings) in arms.items():
        run = learn(method(**settings), source, steps=steps, seeds=seeds)
        values[arm], diverged[arm] = run.final_returns().mean(axis=1), run.diverged()
    return Measured(values, diverged)
