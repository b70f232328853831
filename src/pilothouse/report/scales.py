"""From values to pixels: axes with round ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from pilothouse.report.markup import Number
from pilothouse.report.numerals import number

Values = ArrayLike | tuple[Any, ...]
"""Numbers in a row or a table; NumPy's own alias leaves tuples out where types are checked at run time."""

LARGEST = 1e100
"""Values beyond this are left out of charts like infinities: spans of larger ones overflow."""


@dataclass(frozen=True)
class Scale:
    """A linear map of `[low, high]` (values) to `[start, end]` (pixels; `start > end` for an upward axis).

    `ticks` are the values that get a mark and a label; `step` is their distance.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    step: float

    def __call__(self, value: Number) -> float:
        share = (float(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def inside(self, value: Number) -> float:
        """The pixel of `value`, held within the axis."""
        return self(min(max(float(value), self.low), self.high))

    @property
    def labels(self) -> tuple[str, ...]:
        """One text for each tick, all with the same unit and number of decimals."""
        return tick_labels(self.ticks, self.step)


def finite(values: Values) -> Bool[np.ndarray, "..."]:
    """Which values can be drawn: neither NaN, nor infinite, nor beyond `LARGEST`."""
    array = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isfinite(array) & (np.abs(array) <= LARGEST))


def drawable(*numbers: Number | None) -> bool:
    """Whether all of these are there and can be drawn."""
    return all(n is not None and math.isfinite(float(n)) and abs(float(n)) <= LARGEST for n in numbers)


def nice_step(span: float, wanted: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that cuts `span` into at most `wanted` parts."""
    rough = span / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if m * power >= rough * (1 - 1e-9))


def scale_over(
    values: Iterable[Number], start: Number, end: Number, *, wanted: int = 5, zero: bool = False, tight: bool = False
) -> Scale:
    """A scale that holds every finite value.

    **Arguments:**
    - `values`: those that must lie within; with none of them finite the axis is 0 to 1.
    - `start`, `end`: pixels.
    - `wanted`: at most this many parts between ticks, or one more.
    - `zero`: whether the axis must hold 0; it does anyway where 0 is near (values from 20 to 100, say).
    - `tight`: whether the axis ends at the outermost values (time) or at the next tick (everything else).
    """
    low, high = _domain([float(v) for v in values], zero)
    step = nice_step(high - low, wanted)
    if not tight:
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(index * step for index in range(first, min(last, first + 4 * wanted) + 1))
    return Scale(low, high, float(start), float(end), ticks, step)


def tick_labels(ticks: tuple[float, ...], step: float) -> tuple[str, ...]:
    """`0, 5k, 10k` or `0, 0.25, 0.5`: one unit for the axis, and as many decimals as its step needs."""
    largest = max((abs(tick) for tick in ticks), default=0.0)
    if largest >= 1e15 or 0 < largest < 1e-4:
        return tuple("0" if tick == 0 else f"{tick:.3g}".replace("-", "−", 1 if tick < 0 else 0) for tick in ticks)
    unit, prefix = next(((u, p) for u, p in ((1e9, "G"), (1e6, "M"), (1e4, "k")) if largest >= u), (1.0, ""))
    unit = 1e3 if prefix == "k" else unit
    decimals = next((d for d in range(7) if abs(round(step / unit, d) - step / unit) < 1e-6 * step / unit), 7)
    return tuple(_tick(tick / unit, decimals, prefix) for tick in ticks)


def _tick(value: float, decimals: int, prefix: str) -> str:
    if abs(value) < 0.5 * 10.0**-decimals:
        return "0"
    return ("−" if value < 0 else "") + f"{abs(value):,.{decimals}f}" + prefix


def _domain(values: list[float], zero: bool) -> tuple[float, float]:
    known = [v for v in values if math.isfinite(v) and abs(v) <= LARGEST]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if zero or 0 < low <= 0.3 * high:
        low = min(low, 0.0)
    if zero or 0.3 * low <= high < 0:
        high = max(high, 0.0)
    # A spread below what float64 can part is no spread: pad, so that the line lies in the middle.
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = abs(low) * 0.05 or 1.0
        low, high = low - pad, high + pad
    return low, high


def described(values: Values) -> str:
    """`from 12.4 to 9,342`, for a chart's alternative text."""
    array = np.asarray(values, np.float64)
    known = array[finite(array)]
    return f"from {number(known.min())} to {number(known.max())}" if known.size else "with no finite value"
