"""Slopes by least squares, and how sure they are."""

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import (
    Interval,
    check_level,
    finite_scores,
    unknown_interval,
)
from pilothouse.statistics.paired import mean_interval, student_quantile


def slope(x: ArrayLike, y: ArrayLike) -> Float[np.ndarray, " seed"] | float:
    """Least-squares slope of `y` over `x` `[point]`, in units of y per unit of x; `y` may be `[seed, point]`.

    **Raises:** `DataError` for empty, non-finite or unequal lengths, or when all x are equal.
    """
    points, values = _checked(x, y)
    centred = points - points.mean()
    return values @ centred / (centred @ centred)


def slope_interval(x: ArrayLike, y: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's t interval of the slope of `y` `[point]` over `x` `[point]`, points independent of each other.

    Unknown (infinite ends) for two points. For repeated measurements by seed use `slope_interval_over_seeds`.
    """
    check_level(level)
    points, values = _checked(x, finite_scores(y, "y", 1))
    count = len(points)
    if count == 2:
        return unknown_interval(level)
    centred = points - points.mean()
    steepness = float(slope(points, values))
    residual = values - values.mean() - steepness * centred
    error = math.sqrt(float(residual @ residual) / (count - 2) / float(centred @ centred))
    half = student_quantile(count - 2, level) * error
    return Interval(steepness - half, steepness + half, level)


def slope_interval_over_seeds(x: ArrayLike, y: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of the slopes of each seed's own line; `y` is `[seed, point]`."""
    return mean_interval(slope(x, finite_scores(y, "y", 2)), level=level)


def _checked(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    points, values = finite_scores(x, "x", 1), finite_scores(y, "y", 1, 2)
    if values.shape[-1] != len(points):
        raise DataError(f"`x` has {len(points)} points and `y` has {values.shape[-1]}; give one y for each x.")
    if np.ptp(points) == 0:
        raise DataError(f"All {len(points)} x are {points[0]}; a slope needs at least two different ones.")
    return points, values
