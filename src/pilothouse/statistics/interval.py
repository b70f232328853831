"""`Interval`, and the checks on scores that every estimate here shares."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError


@dataclass(frozen=True)
class Interval:
    """A confidence interval: `low` to `high`, at a confidence `level` in (0, 1). Infinite ends say "not known"."""

    low: float
    high: float
    level: float = 0.95

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def known(self) -> bool:
        """Whether both ends are finite; one run alone gives no interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def contains(self, value: float) -> bool:
        return bool(self.low <= value <= self.high)

    def above(self, value: float) -> bool:
        """Whether the whole interval lies above `value`."""
        return bool(self.low > value)

    def below(self, value: float) -> bool:
        """Whether the whole interval lies below `value`."""
        return bool(self.high < value)

    def to_json(self) -> list[float | None]:
        """`[low, high]`, with None for an end that is not known."""
        return [end if math.isfinite(end) else None for end in (self.low, self.high)]

    def __str__(self) -> str:
        return f"[{self.low:.4g}, {self.high:.4g}]" if self.known else "[not known]"


def unknown_interval(level: float) -> Interval:
    """What a single run gives: nothing is excluded."""
    return Interval(-math.inf, math.inf, level)


def check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise SettingError(
            f"A confidence level of {level!r} was given; expected a number between 0 and 1, such as 0.95."
        )


def check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise SettingError(f"{resamples!r} resamples were asked for; expected at least 1 (2000 is usual).")


def finite_scores(scores: ArrayLike, name: str, *dimensions: int) -> Float[np.ndarray, "..."]:
    """`scores` as float64. Raises `DataError` when it is empty, not finite, or not of one of these `dimensions`."""
    array = as_floats(scores, name)
    if array.ndim not in dimensions:
        wanted = " or ".join(map(str, dimensions))
        raise DataError(f"`{name}` has shape {array.shape}; expected {wanted} dimension(s), runs first.")
    if array.size == 0:
        raise DataError(f"`{name}` is empty (shape {array.shape}); give at least one run of one task.")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(f"`{name}` holds {array[where]} at {where}; give a diverged run its last finite score.")
    return array


def as_floats(scores: Any, name: str) -> Float[np.ndarray, "..."]:
    try:
        return np.asarray(scores, np.float64)
    except (TypeError, ValueError) as fault:
        raise DataError(f"`{name}` is not an array of numbers ({fault}); are all rows equally long?") from fault


def scores_by_task(scores: ArrayLike, name: str) -> Float[np.ndarray, "run task"]:
    """Scores as `[run, task]`; a flat list is several runs of one task."""
    array = finite_scores(scores, name, 1, 2)
    return array[:, None] if array.ndim == 1 else array
