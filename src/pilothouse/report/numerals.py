"""How numbers are written: enough digits to compare by, thousands parted, one minus sign, and words for no number."""

import math

from pilothouse.report.markup import Number
from pilothouse.statistics import Interval

UNKNOWN = "–"
"""Shown where there is no number."""

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: Number | None) -> str:
    """`9,342`, `177`, `59.3`, `7.13`, `0.0412`, `1.2e-07`, `12.3M`; `–` for None and NaN."""
    if value is None or math.isnan(float(value)):
        return UNKNOWN
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e7:
        return si(value)
    if size >= 100:
        return _signed(f"{value:,.0f}")
    if size >= 1:
        return _signed(f"{value:.{1 if size >= 10 else 2}f}")
    if size < 1e-4:
        return "0" if size == 0 else _signed(f"{value:.1e}")
    return _signed(f"{value:.3g}")


def si(value: Number) -> str:
    """At most three digits and the prefix of the International System: `12.5k`, `1M`, `250`."""
    value = float(value)
    if not math.isfinite(value):
        return number(value)
    for unit, prefix in _UNITS:
        if abs(value) >= unit * 0.9995:
            return _signed(_plain(value / unit)) + prefix
    return _signed(_plain(value))


def interval(given: Interval | None) -> str:
    """`8,900 to 9,300`; `–` where an end is not known."""
    if given is None or not given.known:
        return UNKNOWN
    return f"{number(given.low)} to {number(given.high)}"


def count(value: int, one: str, many: str = "") -> str:
    """`1 seed`, `5 seeds`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def duration(seconds: Number) -> str:
    """`4.2 s`, `58 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = float(seconds)
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def listed(names: list[str]) -> str:
    """`BC`, `BC and IQL`, `BC, IQL and TD3+BC`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""


def _plain(value: float) -> str:
    """Three significant digits, never in the form with an exponent unless the value is too small to show."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:.0f}" if abs(value) < 1e6 else f"{value:.2e}"
    return f"{value:.3g}"


def _signed(text: str) -> str:
    """A true minus sign, as wide as a plus; a rounded zero carries none."""
    if text.startswith("-"):
        rest = text[1:]
        return rest if not any(digit in rest for digit in "123456789") else f"−{rest}"
    return text
