"""One-sided bounds that hold for samples of any size, which certificates rest on."""

import math

import scipy.stats

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import check_level


def clopper_pearson_lower(successes: int, trials: int, *, level: float = 0.999) -> float:
    """The success rate below which so many successes had a chance of at most 1 - level; 0 for none.

    **Raises:** `DataError` unless 0 <= successes <= trials and trials >= 1.

    **Source:** C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), 404-413, one side of it.
    """
    check_level(level)
    if trials < 1 or not 0 <= successes <= trials:
        raise DataError(
            f"{successes} successes in {trials} trials; expected 0 <= successes <= trials and a trial at least."
        )
    return float(scipy.stats.beta.ppf(1 - level, successes, trials - successes + 1)) if successes else 0.0


def dkw_margin(sample: int, *, level: float = 0.999) -> float:
    r"""How far a sample's distribution function may lie to one side of the true one, anywhere: $\sqrt{\ln(1/\alpha)/2n}$.

    One-sided, with $\alpha$ = 1 - level of at most one half. **Raises:** `DataError` for an empty sample.

    **Source:** P. Massart, Annals of Probability 18 (1990), 1269-1283, corollary 1.
    """
    check_level(level)
    if sample < 1 or level < 0.5:
        raise DataError(f"A sample of {sample} at level {level:g}; expected at least one value and a level from 0.5.")
    return math.sqrt(math.log(1 / (1 - level)) / (2 * sample))
