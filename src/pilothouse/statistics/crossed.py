"""An interval for a mean over two crossed factors, both of which are samples: seeds and start states, say."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pilothouse.statistics.bootstrap import percentile_interval
from pilothouse.statistics.interval import Interval, check_level, check_resamples, finite_scores, unknown_interval


def crossed_bootstrap_interval(
    values: ArrayLike, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile interval of the mean of `values`, `[row, column]`, where rows and columns are both drawn again.

    A factor with a single level is taken as it is: the interval then speaks of that one only. With a single number the
    interval is unknown.

    **Raises:** `DataError` for empty or non-finite values, `SettingError` for a level or count out of range.

    **Source:** Owen, "The pigeonhole bootstrap", arXiv:0712.1111, section 2.
    """
    check_level(level)
    check_resamples(resamples)
    array = finite_scores(values, "values", 2)
    if array.size == 1:
        return unknown_interval(level)
    return percentile_interval(crossed_means(array, resamples, np.random.default_rng(seed)), level)


def crossed_means(
    values: Float[np.ndarray, "row column"],
    resamples: int,
    generator: np.random.Generator,
    column_times: Int[np.ndarray, "resample column"] | None = None,
) -> Float[np.ndarray, " resample"]:
    """Means of resamples. Drawing rows and columns with replacement is drawing how often each of them counts.

    `column_times`, where given, says how often each column counts: several methods then see the same columns.
    """
    rows, columns = values.shape
    row_times = times(rows, resamples, generator)
    column_times = times(columns, resamples, generator) if column_times is None else column_times
    return ((row_times @ values) * column_times).sum(axis=1) / values.size


def times(count: int, resamples: int, generator: np.random.Generator) -> Int[np.ndarray, "resample level"]:
    """How often each of `count` levels is drawn in as many draws with replacement."""
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples)
