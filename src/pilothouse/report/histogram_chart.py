"""How many episodes had which return: a histogram, stacked by where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pilothouse.report.frame import (
    TEXT,
    WIDE,
    bottom_axis,
    clipped,
    is_narrow,
    left_axis,
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
from pilothouse.report.markup import Markup, element, join
from pilothouse.report.numerals import count, number
from pilothouse.report.scales import Scale, described, finite, nice_step, scale_over


@dataclass(frozen=True)
class Group:
    """Values that share a colour, such as the returns of the random episodes."""

    label: str
    values: ArrayLike


def histogram(
    groups: Sequence[Group],
    *,
    describe: str = "Histogram",
    x_label: str = "return",
    y_label: str = "episodes",
    width: int = WIDE,
) -> Markup:
    """Stacked columns over equal bins with round edges, with the names of the groups above."""
    arrays = [np.asarray(group.values, np.float64).ravel() for group in groups]
    known = [array[finite(array)] for array in arrays]
    bad = sum(len(a) - len(b) for a, b in zip(arrays, known, strict=True))
    every = np.concatenate(known) if known else np.zeros(0)
    if not len(every):
        why = "No value is finite." if bad else "There is nothing to draw yet."
        return nothing_to_draw(width, describe, why)
    edges = bin_edges(every, most=18 if is_narrow(width) else 30)
    counts = np.array([np.histogram(array, edges)[0] for array in known])
    alternative = f"{describe}. {count(len(every), 'value')} {described(every)}, in {count(len(edges) - 1, 'bin')}."
    return _drawn([group.label for group in groups], edges, counts, alternative, x_label, y_label, width, bad)


def bin_edges(values: Float[np.ndarray, " value"], *, most: int = 30) -> Float[np.ndarray, " edge"]:
    """At most `most` equal bins, and some more for the round edges, that hold every (finite) value.

    As many as the square root of the number of values asks for: returns of a mixed dataset have several far peaks,
    for which rules that start from one spread choose bins too wide or too many.
    """
    scale = scale_over(values, 0, 1)
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return np.array([scale.low, scale.high])
    step = nice_step(high - low, int(min(max(np.sqrt(len(values)) * 1.5, 6), most)))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    edges = np.arange(first, last + 1) * step
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return edges


def _drawn(
    names: list[str],
    edges: Float[np.ndarray, " edge"],
    counts: Int[np.ndarray, "group bin"],
    alternative: str,
    x_label: str,
    y_label: str,
    width: int,
    bad: int,
) -> Markup:
    key, key_height = _key(names, width) if len(names) > 1 else (None, 0.0)
    top, bottom = 28.0 + key_height, 190.0 + key_height
    y = scale_over([0, int(counts.sum(axis=0).max())], bottom, top, wanted=4)
    left = max(text_width(label) for label in y.labels) + 14
    x = scale_over(edges, left, width - 14, wanted=3 if is_narrow(width) else 7, tight=True)
    small, small_height = notes(left_out(bad), left, bottom + 56, width - left)
    columns = [
        _column(names, edges[i], edges[i + 1], counts[:, i], x, y) for i in range(len(edges) - 1) if counts[:, i].any()
    ]
    return picture(
        width,
        bottom + 46 + small_height + (6 if bad else 0),
        alternative,
        key,
        text(0, 13 + key_height, clipped(y_label, width), class_="name"),
        left_axis(y, left, width - 14),
        bottom_axis(x, bottom, bottom, x_label),
        *columns,
        small,
    )


def _column(names: list[str], low: float, high: float, counts: Int[np.ndarray, " group"], x: Scale, y: Scale) -> Markup:
    floor, parts = 0, []
    for index, amount in enumerate(counts.tolist()):
        if amount:
            tip = title(f"{number(low)} to {number(high)}: {amount:,} {names[index]}")
            above, below = y(floor + amount), y(floor)
            column = element(
                "rect", tip, x=x(low) + 0.5, y=above, width=max(x(high) - x(low) - 1, 1), height=below - above
            )
            parts.append(element("g", column, class_=f"column {series(index)}"))
            floor += amount
    return join(parts)


def _key(names: list[str], width: int) -> tuple[Markup, float]:
    """The groups' marks and names, in rows that fit; with the height of the rows."""
    parts, x, y = [], 0.0, 0.0
    for index, name in enumerate(names):
        label = clipped(name, width - 20)
        step = text_width(label, TEXT) + 34
        if x and x + step - 14 > width:
            x, y = 0.0, y + 20
        square = marker(index, x + 6, y + 9, 5)
        parts.append(element("g", square, text(x + 17, y + 13, label, class_="label"), class_=series(index)))
        x += step
    return element("g", *parts), y + 28
