"""Intervals that may be looked at after every value, so that an evaluation stops when it has shown what it must.

An ordinary interval is right once, at a sample size fixed beforehand: looked at again and again until it says what one
hopes for, it errs far more often than its level says. These hold at all sample sizes at once.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.interval import Interval, check_level, finite_scores

TRUNCATION = 0.5
"""No bet stakes more than this share of what a single value could cost it."""


class ConfidenceSequence(NamedTuple):
    """Intervals after each value: with probability `level` the mean lies in all of them. They only ever shrink."""

    low: Float[np.ndarray, " values"]
    high: Float[np.ndarray, " values"]
    level: float

    def after(self, count: int) -> Interval:
        """The interval after so many values, at least one."""
        return Interval(float(self.low[count - 1]), float(self.high[count - 1]), self.level)

    def decided(self, value: float) -> int | None:
        """After how many values it first lay wholly above or wholly below `value`; None if never."""
        return _first((self.low > value) | (self.high < value))

    def narrow(self, half_width: float) -> int | None:
        """After how many values its half-width was first at most this; None if never."""
        return _first((self.high - self.low) / 2 <= half_width)


def bounded_sequence(
    values: ArrayLike, *, low: float, high: float, level: float = 0.95, grid: int = 1000
) -> ConfidenceSequence:
    """A confidence sequence of the mean of values within [low, high], such as paired differences of success.

    For every candidate mean a gambler bets that the values lie above it, another that they lie below, on half of the
    money each; neither can win on average if the candidate is true, so whoever makes 1 / (1 - level) of it has refuted
    it. The stakes adapt to the spread seen, so that the interval narrows where values vary little. Values need not be
    alike or independent, as long as each has the same mean given those before it.

    **Arguments:** `values`: in the order in which they came. `grid`: candidates; the ends are rounded outwards to it.

    **Raises:** `DataError` for no values, or values outside [low, high]; `SettingError` for a level out of range.

    **Source:** Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", arXiv:2010.09686,
    the hedged capital process with predictable plug-in bets.
    """
    check_level(level)
    array = finite_scores(values, "values", 1)
    if not low < high or array.min() < low or array.max() > high:
        raise DataError(
            f"Values from {array.min():g} to {array.max():g} in a range from {low:g} to {high:g}; expected low < high "
            "and no value outside. Give the range that values can take, not the one that they took."
        )
    if grid < 2:
        raise SettingError(f"grid={grid} was given; expected at least 2 candidates (1000 is usual).")
    unit = np.clip((array - low) / (high - low), 0.0, 1.0)
    candidates = np.linspace(0.0, 1.0, grid + 1)
    standing = log_wealth(unit, candidates, level) < -math.log(1 - level)
    standing = np.logical_and.accumulate(standing, axis=0)
    # Between a refuted candidate and the next that stands lies the true end: the refuted one is outside of it.
    first, last = standing.argmax(axis=1), grid - standing[:, ::-1].argmax(axis=1)
    ends = candidates[np.maximum(first - 1, 0)], candidates[np.minimum(last + 1, grid)]
    # Where none stands, the mean was not the same all along; the last one that did is kept.
    none = ~standing.any(axis=1)
    if none.any():
        kept = max(int(none.argmax()) - 1, 0)
        ends = tuple(np.where(none, end[kept], end) for end in ends)
    return ConfidenceSequence(low + (high - low) * ends[0], low + (high - low) * ends[1], level)


def stakes(unit: Float[np.ndarray, " values"], level: float) -> Float[np.ndarray, " values"]:
    """How much is bet on each value of [0, 1], by what the values before it were: more where they varied less."""
    count = np.arange(1, len(unit) + 1)
    mean = (0.5 + np.cumsum(unit)) / (count + 1)
    variance = (0.25 + np.cumsum((unit - mean) ** 2)) / (count + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2 * math.log(2 / (1 - level)) / (before * count * np.log(1 + count)))


def log_wealth(
    unit: Float[np.ndarray, " values"], candidates: Float[np.ndarray, " candidates"], level: float
) -> Float[np.ndarray, "values candidates"]:
    """Logarithm of the richer gambler's money after each value, of 1/2 that each began with."""
    stake, off = stakes(unit, level)[:, None], unit[:, None] - candidates
    with np.errstate(divide="ignore"):
        above, below = (np.minimum(stake, TRUNCATION / side) for side in (candidates, 1 - candidates))
    rising, falling = (np.cumsum(np.log1p(bet), axis=0) for bet in (above * off, -below * off))
    return np.maximum(rising, falling) - math.log(2)


def sub_gaussian_sequence(
    values: ArrayLike, *, sigma: float, level: float = 0.95, tightest: int = 30
) -> ConfidenceSequence:
    """A confidence sequence of the mean of values whose deviations are sub-Gaussian with a known `sigma`.

    Normal values of standard deviation `sigma` are, and values within a range of 2 `sigma`. After t values the half-width
    is √((t s² + r) ln((t s² + r) / (r α²))) / t with α = 1 - level, where r makes it least at about `tightest` values.

    **Raises:** `DataError` for no values, `SettingError` for a sigma or a count that is not positive.

    **Source:** Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
    arXiv:1810.08240, the two-sided normal mixture (equation 14).
    """
    check_level(level)
    array = finite_scores(values, "values", 1)
    if not sigma > 0 or tightest < 1:
        raise SettingError(f"sigma={sigma!r} and tightest={tightest!r} were given; expected both above 0.")
    half = sigma * _mixture_half_widths(len(array), level, tightest)
    mean = np.cumsum(array) / np.arange(1, len(array) + 1)
    return ConfidenceSequence(np.maximum.accumulate(mean - half), np.minimum.accumulate(mean + half), level)


def asymptotic_sequence(
    values: ArrayLike, *, level: float = 0.95, tightest: int = 100, first: int = 30
) -> ConfidenceSequence:
    """A confidence sequence of the mean of values of which nothing is known, right in the limit as Student's interval is.

    The mixture of `sub_gaussian_sequence` with the standard deviation of the values so far in place of a known one. It
    is for means what the central limit theorem is for a single look: the level is kept approximately, better the later
    one begins to look, and worse for values with heavy tails or rare extremes that were not seen yet. Nothing is said
    (infinite ends) before `first` values, nor while all were equal, when their spread is not known.

    **Arguments:** `values`: independent, in the order in which they came; `tightest`: about where it is narrowest.

    **Raises:** `DataError` for no values, `SettingError` for counts that are not positive.

    **Source:** Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences", arXiv:2103.06476, theorem 2.2, from a later first look on (section 2.5 there).
    """
    check_level(level)
    array = finite_scores(values, "values", 1)
    if tightest < 1 or first < 2:
        raise SettingError(f"tightest={tightest!r} and first={first!r} were given; expected at least 1 and 2.")
    count = np.arange(1, len(array) + 1)
    off = array - array[0]  # so that large means cost the variance no digits
    mean = np.cumsum(off) / count
    variance = (np.cumsum(off**2) - count * mean**2) / np.maximum(count - 1, 1)
    seen = (count >= first) & (np.maximum.accumulate(np.abs(off)) > 0)
    half = np.where(seen, np.sqrt(np.maximum(variance, 0)) * _mixture_half_widths(len(array), level, tightest), np.inf)
    low = np.maximum.accumulate(array[0] + mean - half)
    high = np.minimum.accumulate(array[0] + mean + half)
    # Where two looks exclude one another the mean was not the same all along; the last interval is kept.
    if (crossed := low > high).any():
        kept = int(crossed.argmax()) - 1
        low[kept + 1 :], high[kept + 1 :] = low[kept], high[kept]
    return ConfidenceSequence(low, high, level)


def _mixture_half_widths(count: int, level: float, tightest: int) -> Float[np.ndarray, " values"]:
    """Of the normal mixture, after each value, in standard deviations."""
    after, doubt = np.arange(1, count + 1), 2 * math.log(1 / (1 - level))
    # Least at t where r = t / (2 ln(1/α) + ln(1 + 2 ln(1/α))), near enough.
    mixture = tightest / (doubt + math.log(1 + doubt))
    return np.sqrt((after + mixture) * (np.log((after + mixture) / mixture) + doubt)) / after


def _first(where: np.ndarray) -> int | None:
    return int(where.argmax()) + 1 if where.any() else None
