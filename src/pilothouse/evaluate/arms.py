"""Arms of a claim, measured alike: one source, one budget, the same seeds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pilothouse.algorithm.recipe import Bound
from pilothouse.evaluate.claim import Measured
from pilothouse.train.session import Session, learn, offline_cycles
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


def curve_returns(
    arms: Mapping[str, tuple[Callable[..., Bound], Mapping[str, Any]]],
    source: Source,
    *,
    steps: int,
    seeds: Sequence[int],
    evaluations: int = 20,
) -> Measured:
    """Every arm learned for so many steps: its mean return over the whole curve, not at its end.

    The mean is over `evaluations` looks spread evenly over the steps, each a mean over the held-out episodes. Where
    learning from data goes on in a world, the looks are those in the world. So the best return minus this is the regret
    a step. A seed that diverges counts with what its frozen policy earns.
    """
    values, diverged = {}, {}
    for arm, (method, settings) in arms.items():
        run = learn(method(**settings), source, steps=steps, seeds=seeds, evaluations=evaluations)
        values[arm], diverged[arm] = mean_of_curve(run), run.diverged()
    return Measured(values, diverged)


def mean_of_curve(run: Session) -> Float[np.ndarray, " lane"]:
    """The mean return of each lane over its looks, those before it went online left out."""
    first = offline_cycles(run.machine) if run.source.kind == "continued" else 0
    measured = [look.returns.mean(axis=1) for look in run.looks if look.returns is not None and look.cycle > first]
    return np.mean(measured, axis=0)
