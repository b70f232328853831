"""Probability of improvement: how often a run of one method beats a run of another on the same task."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.bootstrap import percentile_interval
from pilothouse.statistics.interval import (
    Interval,
    check_level,
    check_resamples,
    scores_by_task,
    unknown_interval,
)


def probability_of_improvement(x: ArrayLike, y: ArrayLike) -> float:
    """The share of pairs (run of x, run of y) in which x scores higher, ties counted as half, averaged over tasks.

    `x` and `y` are `[run, task]` (or `[run]`) with the same tasks; the numbers of runs may differ. In [0, 1]; 0.5 says
    that neither is better. Per task it is the Mann-Whitney U statistic of x over the number of pairs.

    **Raises:** `DataError` for empty or non-finite scores, or different numbers of tasks.

    **Source:** Agarwal et al., arXiv:2108.13264, section 4.3.
    """
    return float(_wins(x, y).mean())


def probability_of_improvement_interval(
    x: ArrayLike, y: ArrayLike, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile interval of `probability_of_improvement`; the runs of x and of y are resampled apart, within tasks.

    Unknown (infinite ends) when either method has a single run. When every run of x beats every run of y the interval
    is the point 1: so small a sample cannot show how rare the opposite is.
    """
    check_level(level)
    check_resamples(resamples)
    wins = _wins(x, y)
    tasks, runs_x, runs_y = wins.shape
    if min(runs_x, runs_y) == 1:
        return unknown_interval(level)
    generator = np.random.default_rng(seed)
    # Drawing runs with replacement is drawing how often each run appears.
    times_x = generator.multinomial(runs_x, np.full(runs_x, 1 / runs_x), size=(tasks, resamples))
    times_y = generator.multinomial(runs_y, np.full(runs_y, 1 / runs_y), size=(tasks, resamples))
    values = ((times_x @ wins) * times_y).sum(axis=-1).mean(axis=0) / (runs_x * runs_y)
    return percentile_interval(values, level)


def _wins(x: ArrayLike, y: ArrayLike) -> Float[np.ndarray, "task x y"]:
    a, b = scores_by_task(x, "x"), scores_by_task(y, "y")
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"`x` has {a.shape[1]} task(s) and `y` has {b.shape[1]}; compare the methods on the same tasks."
        )
    a, b = a.T[:, :, None], b.T[:, None, :]
    return (a > b) + 0.5 * (a == b)
