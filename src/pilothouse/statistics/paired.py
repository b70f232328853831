"""Intervals of means and of paired differences: what the verdict of a claim rests on."""

import math

import numpy as np
import scipy.special
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.aggregates import mean
from pilothouse.statistics.bootstrap import stratified_bootstrap_interval
from pilothouse.statistics.interval import Interval, check_level, finite_scores, unknown_interval


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of `values` `[seed]`: mean ± t(1 - α/2, n - 1) · s / √n.

    Exact when the values are normal, at any number of seeds from two; unknown (infinite ends) for one.
    """
    check_level(level)
    array = finite_scores(values, "values", 1)
    count = len(array)
    if count == 1:
        return unknown_interval(level)
    centre = float(array.mean())
    half = student_quantile(count - 1, level) * float(array.std(ddof=1)) / math.sqrt(count)
    return Interval(centre - half, centre + half, level)


def paired_difference_interval(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of `a - b`, paired by seed.

    The default for verdicts: with the five to eight seeds that claims have, the percentile bootstrap covers the truth
    in about 85% of cases where it says 95% (tests/statistics/test_paired.py measures both).

    **Arguments:** `a`, `b`: `[seed]`, the two arms under the same seeds, in the same order; finite.

    **Returns:** the interval, in the unit of the scores; wholly above 0 says that `a` is higher.

    **Raises:** `DataError` for empty, non-finite or unequally many scores.
    """
    return mean_interval(_differences(a, b), level=level)


def paired_bootstrap_interval(
    a: ArrayLike, b: ArrayLike, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean of `a - b`, paired by seed; for thirty seeds or more."""
    return stratified_bootstrap_interval(_differences(a, b), mean, resamples=resamples, level=level, seed=seed)


def student_quantile(freedom: int, level: float) -> float:
    """The t with `level` of Student's distribution between -t and t."""
    return float(scipy.special.stdtrit(freedom, (1 + level) / 2))


def _differences(a: ArrayLike, b: ArrayLike) -> Float[np.ndarray, " seed"]:
    first, second = finite_scores(a, "a", 1), finite_scores(b, "b", 1)
    if first.shape != second.shape:
        raise DataError(f"`a` has {len(first)} seed(s) and `b` has {len(second)}; pair the arms by seed.")
    return first - second
