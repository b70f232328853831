"""Stratified bootstrap: runs are drawn again with replacement within each task, tasks stay as they are."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pilothouse.core.errors import SettingError
from pilothouse.statistics.aggregates import Statistic
from pilothouse.statistics.interval import (
    Interval,
    check_level,
    check_resamples,
    scores_by_task,
    unknown_interval,
)

_ENTRIES = 4_000_000
"""Resampled numbers held at once; 32 MB."""


def stratified_bootstrap_interval(
    scores: ArrayLike, statistic: Statistic, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile interval of `statistic` over runs.

    It answers: had the same tasks been run with other seeds, where would the statistic have come out? With fewer than
    about ten runs percentile intervals are too narrow; verdicts use `paired_difference_interval` for that reason.

    **Arguments:**
    - `scores`: `[run, task]`, or `[run]` for one task; finite.
    - `statistic`: such as `interquartile_mean`; called with axes `(-2, -1)` of `[resample, run, task]`.
    - `resamples`: how many times the runs are drawn.
    - `level`: confidence, in (0, 1).
    - `seed`: of the resampling; equal seeds give equal intervals.

    **Returns:** the interval, in the statistic's unit; unknown (infinite ends) for a single run.

    **Raises:** `DataError` for empty or non-finite scores, `SettingError` for a level or count out of range.

    **Source:** Agarwal et al., arXiv:2108.13264, section 4.1.
    """
    check_level(level)
    check_resamples(resamples)
    array = scores_by_task(scores, "scores")
    if len(array) == 1:
        return unknown_interval(level)
    generator = np.random.default_rng(seed)
    chunk = max(1, _ENTRIES // array.size)
    counts = [min(chunk, resamples - done) for done in range(0, resamples, chunk)]
    values = [_reduce(resample_runs(array, count, generator), statistic) for count in counts]
    return percentile_interval(np.concatenate(values), level)


def resample_runs(
    scores: Float[np.ndarray, "run task"], count: int, generator: np.random.Generator
) -> Float[np.ndarray, "resample run task"]:
    """`count` resamples; each task draws its own runs."""
    picks: Int[np.ndarray, "resample run task"] = generator.integers(len(scores), size=(count, *scores.shape))
    return scores[picks, np.arange(scores.shape[1])]


def percentile_interval(values: Float[np.ndarray, " resample"], level: float) -> Interval:
    """The middle `level` of the resampled statistics."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def _reduce(resampled: np.ndarray, statistic: Statistic) -> np.ndarray:
    values = np.asarray(statistic(resampled, axis=(-2, -1)))
    if values.shape != resampled.shape[:1]:
        raise SettingError(
            f"The statistic reduced shape {resampled.shape} over axes (-2, -1) to {values.shape}, expected "
            f"{resampled.shape[:1]}. Give a function of (scores, axis), such as `interquartile_mean`."
        )
    return values
