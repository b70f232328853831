"""Intervals of a proportion: success rates, violation rates."""

import math

import numpy as np
import scipy.special
from jaxtyping import Float

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import Interval, check_level


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Wilson's score interval of a success rate, within [0, 1]; sensible at 0 and at `trials` successes too.

    **Raises:** `DataError` unless 0 ≤ successes ≤ trials and trials ≥ 1.

    **Source:** E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    check_level(level)
    if trials < 1 or not 0 <= successes <= trials:
        raise DataError(
            f"{successes} successes in {trials} trials; expected 0 <= successes <= trials and a trial at least."
        )
    return _score(successes / trials, float(trials), level)


def clustered_interval(scores: Float[np.ndarray, "clusters trials"], *, level: float = 0.95) -> Interval:
    """An interval of a mean of scores in [0, 1] whose trials come in clusters: several completions of one prompt.

    Wilson's interval for the number of independent trials that would tell as much: of `p (1 - p) / v`, `v` being the
    variance of the mean as the clusters' own means show it, kept between the clusters and all trials. Trials that are
    all alike within a cluster count once; clusters that are all alike count every trial.

    **Raises:** `DataError` for no scores, or any outside [0, 1].

    **Source:** the effective sample size of L. Kish, Survey Sampling (1965), in Wilson's interval, as E. L. Korn and
    B. I. Graubard, Survey Methodology 24 (1998), 193-201, put it into other intervals of proportions.
    """
    check_level(level)
    if scores.ndim != 2 or not scores.size or not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(
            f"Scores of shape {scores.shape}; expected (clusters, trials), at least one of each, in [0, 1]."
        )
    clusters, trials = scores.shape
    rate = float(scores.mean())
    spread = float(np.var(scores.mean(axis=1), ddof=1)) / clusters if clusters > 1 else 0.0
    told = rate * (1 - rate) / spread if spread > 0 else math.inf
    # One cluster, or clusters that are all right or all wrong, show nothing of how alike trials within one are.
    most = clusters * trials if 0 < rate < 1 and clusters > 1 else clusters
    return _score(rate, min(max(told, clusters), most), level)


def _score(rate: float, trials: float, level: float) -> Interval:
    z = float(scipy.special.ndtri((1 + level) / 2))
    scale = 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    # The ends are exactly 0 and 1 there; rounding would leave 1e-17.
    low = 0.0 if rate == 0 else centre - half
    high = 1.0 if rate == 1 else centre + half
    return Interval(low, high, level)
