"""One-sided bounds, which certificates and decisions rest on. Where not said otherwise they hold for any sample size."""

import math

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import check_level, check_resamples, finite_scores


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


def hoeffding_lower(values: ArrayLike, *, low: float, high: float, level: float = 0.95) -> float:
    r"""Below the mean at confidence `level`, for any distribution on [low, high]: mean - (high - low) √(ln(1/α) / 2n).

    Values above `high` are cut there, which only lowers the mean: so heavy-tailed importance weights have a bound.

    **Raises:** `DataError` for no values, values below `low`, or low >= high.

    **Source:** W. Hoeffding (1963), theorem 2; the cut: Thomas, Theocharous and Ghavamzadeh (2015), "High-confidence
    off-policy evaluation", section 3.
    """
    cut = _cut(values, low, high, level)
    return float(cut.mean() - (high - low) * math.sqrt(math.log(1 / (1 - level)) / (2 * len(cut))))


def empirical_bernstein_lower(values: ArrayLike, *, low: float, high: float, level: float = 0.95) -> float:
    """As `hoeffding_lower`, but by the spread seen: far closer where most values lie far from `high`.

    mean - √(2 s² ln(2/α) / n) - 7 (high - low) ln(2/α) / (3 (n - 1)). Minus infinity for one value.

    **Source:** Maurer and Pontil, arXiv:0907.3740, theorem 4.
    """
    cut = _cut(values, low, high, level)
    count, doubt = len(cut), math.log(2 / (1 - level))
    if count == 1:
        return -math.inf
    slack = math.sqrt(2 * float(cut.var(ddof=1)) * doubt / count)
    return float(cut.mean() - slack - 7 * (high - low) * doubt / (3 * (count - 1)))


def student_lower(values: ArrayLike, *, level: float = 0.95) -> float:
    """The one-sided Student's t bound of the mean: exact for normal values, else for many. Minus infinity for one."""
    check_level(level)
    array = finite_scores(values, "values", 1)
    count = len(array)
    if count == 1:
        return -math.inf
    return float(array.mean() - scipy.stats.t.ppf(level, count - 1) * array.std(ddof=1) / math.sqrt(count))


def bootstrap_lower(values: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> float:
    """The percentile bound of the mean over resamples of the values; approximate, as Student's is."""
    check_level(level)
    check_resamples(resamples)
    array = finite_scores(values, "values", 1)
    count = len(array)
    if count == 1:
        return -math.inf
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return float(np.quantile(draws @ array / count, 1 - level))


def _cut(values: ArrayLike, low: float, high: float, level: float) -> np.ndarray:
    check_level(level)
    array = finite_scores(values, "values", 1)
    if not low < high or array.min() < low:
        raise DataError(
            f"Values from {array.min():g} in a range from {low:g} to {high:g}; expected low < high and no "
            "value below low."
        )
    return np.minimum(array, high)
