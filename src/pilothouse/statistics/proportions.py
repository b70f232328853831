"""Intervals of a proportion: success rates, violation rates."""

import math

import scipy.special

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
    z = float(scipy.special.ndtri((1 + level) / 2))
    rate, scale = successes / trials, 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    # The ends are exactly 0 and 1 there; rounding would leave 1e-17.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(low, high, level)
