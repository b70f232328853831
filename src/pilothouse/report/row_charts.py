"""Charts with one row for each method: intervals (a forest plot), returns per seed, and bars."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pilothouse.report.frame import (
    WIDE,
    Reference,
    bottom_axis,
    clipped,
    is_narrow,
    left_out,
    marker,
    notes,
    nothing_to_draw,
    picture,
    series,
    text,
    text_width,
    title,
)
from pilothouse.report.markup import Markup, Number, element, join
from pilothouse.report.numerals import number
from pilothouse.report.scales import Scale, Values, described, drawable, finite, scale_over
from pilothouse.statistics import interquartile_mean


@dataclass(frozen=True)
class IntervalRow:
    """One estimate: a point, its 95% interval, and optionally a second, wider one, drawn thinner.

    Ends that are infinite, NaN or None are "not known", and the row says so. `points` are drawn small below the line:
    the seeds that the estimate rests on.
    """

    label: str
    value: Number
    low: Number | None = None
    high: Number | None = None
    outer_low: Number | None = None
    outer_high: Number | None = None
    points: Values = field(default=())


@dataclass(frozen=True)
class SeedRow:
    """One method: `values` `[seed]`, which seeds they are (0, 1, … where not given), and where the bar stands.

    Without a `center` it stands at the interquartile mean.
    """

    label: str
    values: Values
    seeds: Sequence[int] | None = None
    center: Number | None = None


@dataclass(frozen=True)
class Bar:
    """A length from zero, and what is written beside it (the value, where nothing is given)."""

    label: str
    value: Number
    told: str | None = None


def intervals(
    rows: Sequence[IntervalRow],
    *,
    describe: str = "Estimates with their 95% intervals",
    x_label: str = "return",
    references: Sequence[Reference] = (),
    width: int = WIDE,
) -> Markup:
    """A forest plot: each estimate with its interval on one axis, and lines to compare with."""
    shown = [row for row in rows if drawable(row.value)]
    if not shown:
        return nothing_to_draw(width, describe, _why_empty(rows))
    values = [v for row in shown for v in _ends(row)]
    told = {row.label: _estimate(row) for row in shown}

    def draw(index: int, x: Scale, y: float) -> Markup:
        return _interval(shown[index], rows.index(shown[index]), x, y)

    said = left_out(len(rows) - len(shown))
    alternative = f"{describe}. " + "; ".join(f"{name}: {value}" for name, value in told.items()) + "."
    column = list(told.values())
    labels = [row.label for row in shown]
    return _rows(labels, values, draw, alternative, x_label, references, width, said, column=column)


def seed_dots(
    rows: Sequence[SeedRow],
    *,
    describe: str = "One dot for each seed",
    x_label: str = "return",
    references: Sequence[Reference] = (),
    width: int = WIDE,
) -> Markup:
    """A strip per method with every seed on it; a bar marks its middle."""
    good = [(row, np.asarray(row.values, np.float64)) for row in rows]
    shown = [(row, values) for row, values in good if finite(values).any()]
    if not shown:
        return nothing_to_draw(width, describe, _why_empty(rows))
    bad = sum(int((~finite(values)).sum()) for _, values in good)
    every = [float(v) for _, values in shown for v in values[finite(values)]]
    every += [float(row.center) for row, _ in shown if row.center is not None and drawable(row.center)]
    alternative = f"{describe}. " + "; ".join(f"{row.label} {described(values)}" for row, values in shown) + "."

    def draw(index: int, x: Scale, y: float) -> Markup:
        row, values = shown[index]
        return _strip(row, values, rows.index(row), x, y)

    labels = [row.label for row, _ in shown]
    return _rows(labels, every, draw, alternative, x_label, references, width, left_out(bad))


def bars(rows: Sequence[Bar], *, describe: str = "Bars", x_label: str = "", width: int = WIDE) -> Markup:
    """Horizontal bars from zero, each with its number beside it."""
    shown = [row for row in rows if drawable(row.value)]
    if not shown:
        return nothing_to_draw(width, describe, _why_empty(rows))
    column = [number(row.value) if row.told is None else row.told for row in shown]

    def draw(index: int, x: Scale, y: float) -> Markup:
        ends = sorted((x(0.0), x(shown[index].value)))
        tip = title(f"{shown[index].label}: {column[index]}")
        bar = element("rect", tip, x=ends[0], y=y - 8, width=max(ends[1] - ends[0], 1), height=16, rx=2, class_="bar")
        return element("g", bar, class_=series(0))

    told = "; ".join(f"{row.label}: {value}" for row, value in zip(shown, column, strict=True))
    values = [0.0, *(float(row.value) for row in shown)]
    labels = [row.label for row in shown]
    said = left_out(len(rows) - len(shown))
    return _rows(labels, values, draw, f"{describe}. {told}.", x_label, (), width, said, column=column, row_height=30)


def _rows(
    labels: Sequence[str],
    values: Sequence[Number],
    draw: Callable[[int, Scale, float], Markup],
    alternative: str,
    x_label: str,
    references: Sequence[Reference],
    width: int,
    said: Sequence[str],
    *,
    column: Sequence[str] | None = None,
    row_height: int = 44,
) -> Markup:
    """The frame of a chart in rows: names left (above their rows on a telephone), texts right, the axis below."""
    narrow = is_narrow(width)
    known = [reference for reference in references if drawable(reference.value)]
    left = 8.0 if narrow else min(max(text_width(label, bold=True) for label in labels) + 16, 0.3 * width)
    right = width - 12.0
    if column and not narrow:
        right = width - max(text_width(shown) for shown in column) - 18
    x = _row_scale([*values, *(v for r in known for v in r.values)], left, right, 4 if narrow else 6)
    top_labels, top = _reference_labels(known, x, width)
    height = row_height + (18 if narrow else 0)
    bottom = top + height * len(labels) + 4
    small, small_height = notes(said, left, bottom + 56, width - left)
    return picture(
        width,
        bottom + (44 if x_label else 26) + small_height + (12 if said else 0),
        alternative,
        *(_reference_band(reference, x, top - 6, bottom) for reference in known),
        bottom_axis(x, bottom, top - 6, x_label),
        *(_reference_line(reference, x, top - 6, bottom) for reference in known),
        top_labels,
        *(
            _row(index, label, draw, x, top + height * index, height, left, width, column)
            for index, label in enumerate(labels)
        ),
        small,
    )


def _row_scale(values: Sequence[Number], start: float, end: float, wanted: int) -> Scale:
    """An axis that ends a little beyond the outermost values: ending at a tick may leave a third of it empty."""
    whole = scale_over(values, start, end, wanted=wanted, tight=True)
    margin = 0.03 * (whole.high - whole.low)
    low, high = (whole.low - margin if whole.low else 0.0), (whole.high + margin if whole.high else 0.0)
    return scale_over([low, high], start, end, wanted=wanted, tight=True)


def _row(
    index: int,
    label: str,
    draw: Callable[[int, Scale, float], Markup],
    x: Scale,
    top: float,
    height: float,
    left: float,
    width: int,
    column: Sequence[str] | None,
) -> Markup:
    told = column[index] if column else None
    if is_narrow(width):
        middle = top + 18 + (height - 18) / 2
        room = width - (text_width(told) + 16 if told else 0)
        name = text(0, top + 15, clipped(label, room, bold=True), class_="label")
        return join((name, text(width, top + 15, told, anchor="end", class_="value"), draw(index, x, middle)))
    middle = top + height / 2
    name = text(left - 14, middle + 4, clipped(label, left - 14, bold=True), anchor="end", class_="label")
    value = text(width, middle + 4, told, anchor="end", class_="value") if told else None
    return join((name, value, draw(index, x, middle)))


def _interval(row: IntervalRow, index: int, x: Scale, y: float) -> Markup:
    points = np.asarray(row.points, np.float64)
    points = points[finite(points)] if points.size else points
    y = y - 4 if points.size else y
    parts: list[Markup | None] = []
    for low, high, class_ in ((row.outer_low, row.outer_high, "whisker"), (row.low, row.high, "range")):
        if low is not None and high is not None and drawable(low, high):
            parts.append(element("line", x1=x(low), x2=x(high), y1=y, y2=y, class_=class_))
    parts += [element("circle", cx=x(point), cy=y + 13, r=2.5, class_="seed") for point in points]
    tip = title(f"{row.label}: {_estimate(row)}")
    return element("g", *parts, marker(index, x(row.value), y, 5.5, tip), class_=series(index))


def _strip(row: SeedRow, values: np.ndarray, index: int, x: Scale, y: float) -> Markup:
    names = row.seeds if row.seeds is not None else range(len(values))
    dots = [
        marker(index, x(value), y, 4.5, title(f"{row.label}, seed {seed}: {number(value)}"), class_="dot soft")
        for seed, value in zip(names, values, strict=True)
        if finite(value)
    ]
    own = row.center is not None and drawable(row.center)
    center = float(row.center) if row.center is not None and own else float(interquartile_mean(values[finite(values)]))
    tip = title(f"{row.label}: {'middle' if own else 'interquartile mean'} {number(center)}")
    middle = element("rect", tip, x=x(center) - 1.25, y=y - 13, width=2.5, height=26, class_="middle")
    return element("g", middle, *dots, class_=series(index))


def _ends(row: IntervalRow) -> list[float]:
    points = [float(point) for point in np.asarray(row.points, np.float64)]
    ends = (row.value, row.low, row.high, row.outer_low, row.outer_high)
    return points + [float(end) for end in ends if end is not None]


def _estimate(row: IntervalRow) -> str:
    known = row.low is not None and row.high is not None and drawable(row.low, row.high)
    if known:
        return f"{number(row.value)} ({number(row.low)} to {number(row.high)})"
    return f"{number(row.value)} (no interval)"


def _why_empty(rows: Sequence[object]) -> str:
    return "No value is finite." if rows else "There is nothing to draw yet."


def _reference_labels(references: Sequence[Reference], x: Scale, width: int) -> tuple[Markup | None, float]:
    """Names above their lines, on as many levels as keep them apart; and where the rows may begin."""
    if not references:
        return None, 8.0
    taken: list[float] = []
    shown: list[Markup] = []
    ties: list[Markup | None] = []
    placed: list[tuple[int, float, str, float]] = []
    for reference in sorted(references, key=lambda r: float(r.value)):
        label = clipped(f"{reference.label} {number(reference.value)}", width)
        half, line = text_width(label, 11) / 2, x(reference.value)
        center = min(max(line, half), width - half)
        level = next((i for i, end in enumerate(taken) if end + 8 <= center - half), len(taken))
        taken[level : level + 1] = [center + half]
        placed.append((level, center, label, line))
    top = 15.0 * len(taken) + 10
    for level, center, label, line in placed:
        height = top - 12 - 15.0 * level
        # From the second level on a hairline ties the name to its line, which begins below the first.
        tie = element("line", x1=line, x2=line, y1=height + 3, y2=top - 6, class_="tie") if level else None
        ties.append(tie)
        shown.append(text(center, height, label, anchor="middle", class_="note"))
    return element("g", *ties, *shown), top


def _reference_band(reference: Reference, x: Scale, top: float, bottom: float) -> Markup | None:
    low, high = reference.low, reference.high
    if low is None or high is None or not drawable(low, high):
        return None
    return element("rect", x=x(low), y=top, width=max(x(high) - x(low), 1), height=bottom - top, class_="veil")


def _reference_line(reference: Reference, x: Scale, top: float, bottom: float) -> Markup:
    return element("line", x1=x(reference.value), x2=x(reference.value), y1=top, y2=bottom, class_="ref")
