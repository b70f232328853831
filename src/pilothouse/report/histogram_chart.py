"""How many episodes had which return: a histogram, or one below the other for episodes of several origins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pilothouse.report.frame import (
    WIDE,
    bottom_axis,
    clipped,
    is_narrow,
    left_axis,
    left_out,
    notes,
    nothing_to_draw,
    picture,
    series,
    text,
    text_width,
    title,
)
from pilothouse.report.markup import Markup, Number, element
from pilothouse.report.numerals import count, number
from pilothouse.report.scales import Scale, Values, described, finite, nice_step, scale_over


@dataclass(frozen=True)
class Group:
    """Values that belong together, such as the returns of the random episodes."""

    label: str
    values: Values


def histogram(
    groups: Sequence[Group],
    *,
    describe: str = "Histogram",
    x_label: str = "return",
    unit: str = "episode",
    width: int = WIDE,
) -> Markup:
    """Columns over equal bins with round edges.

    One group is drawn with an axis of counts. Several are drawn one below the other over the same bins, each as high
    as its own highest column, with its number of values beside it: in one pile a thousand short episodes would hide
    the ten good ones.
    """
    arrays = [np.asarray(group.values, np.float64).ravel() for group in groups]
    known = [array[finite(array)] for array in arrays]
    bad = sum(len(a) - len(b) for a, b in zip(arrays, known, strict=True))
    every = np.concatenate(known) if known else np.zeros(0)
    if not len(every):
        why = "No value is finite." if bad else "There is nothing to draw yet."
        return nothing_to_draw(width, describe, why)
    edges = bin_edges(every, most=20 if is_narrow(width) else 36)
    counts = np.array([np.histogram(array, edges)[0] for array in known])
    told = "; ".join(
        f"{group.label}: {count(len(array), unit)} {described(array)}"
        for group, array in zip(groups, known, strict=True)
    )
    draw = _one if len(groups) == 1 else _several
    return draw([g.label for g in groups], edges, counts, f"{describe}. {told}.", x_label, unit, width, left_out(bad))


def bin_edges(values: Float[np.ndarray, " value"], *, most: int = 36) -> Float[np.ndarray, " edge"]:
    """At most `most` equal bins, and some more for the round edges, that hold every (finite) value.

    As many as the square root of the number of values asks for: returns of a mixed dataset have several far peaks,
    for which rules that start from one spread choose bins too wide or too many.
    """
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        around = scale_over(values, 0, 1)
        return np.array([around.low, around.high])
    step = nice_step(high - low, int(min(max(np.sqrt(len(values)) * 2, 6), most)))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    edges = np.arange(first, last + 1) * step
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return edges


def _one(
    names: list[str],
    edges: Float[np.ndarray, " edge"],
    counts: Int[np.ndarray, "group bin"],
    alternative: str,
    x_label: str,
    unit: str,
    width: int,
    said: list[str],
) -> Markup:
    top, bottom = 28.0, 190.0
    y = scale_over([0, int(counts.max())], bottom, top, wanted=4)
    left = max(text_width(label) for label in y.labels) + 14
    x = scale_over(edges, left, width - 14, wanted=4 if is_narrow(width) else 7, tight=True)
    small, small_height = notes(said, left, bottom + 56, width - left)
    return picture(
        width,
        bottom + 46 + small_height + (6 if said else 0),
        alternative,
        text(0, 13, clipped(f"{unit}s", width), class_="name"),
        left_axis(y, left, width - 14),
        bottom_axis(x, bottom, bottom, x_label),
        _columns(names[0], 0, edges, counts[0], x, bottom, bottom - y(int(counts.max())), unit),
        small,
    )


def _several(
    names: list[str],
    edges: Float[np.ndarray, " edge"],
    counts: Int[np.ndarray, "group bin"],
    alternative: str,
    x_label: str,
    unit: str,
    width: int,
    said: list[str],
) -> Markup:
    narrow = is_narrow(width)
    row = 74.0 if narrow else 62.0
    totals = [count(int(total), unit) for total in counts.sum(axis=1)]
    left = 8.0 if narrow else min(max(text_width(name, bold=True) for name in names) + 16, 0.3 * width)
    right = width - (12.0 if narrow else max(text_width(total) for total in totals) + 18)
    bottom = 6 + row * len(names)
    x = scale_over(edges, left, right, wanted=4 if narrow else 6, tight=True)
    small, small_height = notes(said, left, bottom + 56, width - left)
    rows = []
    for index, (name, total) in enumerate(zip(names, totals, strict=True)):
        floor = 6 + row * (index + 1)
        height = row - (32 if narrow else 14)
        rows += [
            _columns(name, index, edges, counts[index], x, floor, height, unit),
            element("line", x1=left, x2=right, y1=floor, y2=floor, class_="floor"),
            *_names(name, total, floor - row + 21 if narrow else floor - 8, left, width, narrow),
        ]
    axis = bottom_axis(x, bottom, 6, x_label)
    return picture(width, bottom + 46 + small_height + (6 if said else 0), alternative, axis, *rows, small)


def _names(name: str, total: str, y: float, left: float, width: int, narrow: bool) -> tuple[Markup, Markup]:
    """What a row holds: on a telephone above its columns, else beside them."""
    value = text(width, y, total, anchor="end", class_="value")
    if narrow:
        room = width - text_width(total) - 16
        return text(0, y, clipped(name, room, bold=True), class_="label"), value
    return text(left - 14, y, clipped(name, left - 14, bold=True), anchor="end", class_="label"), value


def _columns(
    name: str,
    index: int,
    edges: Float[np.ndarray, " edge"],
    counts: Int[np.ndarray, " bin"],
    x: Scale,
    floor: Number,
    height: Number,
    unit: str,
) -> Markup:
    """One group's columns, the highest of them `height` pixels high; none is too low to be seen."""
    parts, highest = [], max(int(counts.max()), 1)
    for low, high, amount in zip(edges[:-1], edges[1:], counts.tolist(), strict=True):
        if amount:
            tip = title(f"{number(low)} to {number(high)}: {count(amount, unit)}, {name}")
            tall = max(float(height) * amount / highest, 2.0)
            wide = max(x(high) - x(low) - 1, 1)
            parts.append(element("rect", tip, x=x(low) + 0.5, y=float(floor) - tall, width=wide, height=tall))
    return element("g", *parts, class_=f"column {series(index)}")
