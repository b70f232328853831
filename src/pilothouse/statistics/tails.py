"""The mean of the worst outcomes: how bad is a bad day (conditional value at risk, CVaR)."""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from pilothouse.core.errors import SettingError
from pilothouse.statistics.aggregates import Axis, Scores, _pool
from pilothouse.statistics.bootstrap import stratified_bootstrap_interval
from pilothouse.statistics.interval import Interval


def worst_mean(scores: ArrayLike, axis: Axis = None, *, share: float = 0.1) -> Scores:
    r"""Mean of the lowest `share` of the values pooled over `axis`; a value on the border counts in part.

    Equal to $\max_t\, t - E[(t - X)^+] / \text{share}$ of the sample. `share=1` is the mean; a share of 1 / n or less of
    n values is the lowest. **Raises:** `SettingError` unless 0 < share <= 1.

    **Source:** Rockafellar and Uryasev, "Optimization of conditional value-at-risk" (2000), for losses turned round.
    """
    if not 0 < share <= 1:
        raise SettingError(f"share={share!r}; expected a share above 0 and at most 1, such as 0.1 for the worst tenth.")
    pooled = np.sort(_pool(np.asarray(scores, np.float64), axis), axis=-1)
    counts = max(share * pooled.shape[-1], 1.0)
    weights = np.clip(counts - np.arange(pooled.shape[-1]), 0.0, 1.0)
    return (pooled * weights).sum(axis=-1) / weights.sum()


def worst_mean_interval(
    scores: ArrayLike, *, share: float = 0.1, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of `worst_mean` over episodes.

    With few of them in the worst share it is too narrow at its lower end: what was never seen cannot be resampled.
    """
    statistic = partial(worst_mean, share=share)
    return stratified_bootstrap_interval(scores, statistic, resamples=resamples, level=level, seed=seed)
