"""What every chart is drawn with: the SVG root, markers, axes, reference lines, labels that do not collide."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.report.markup import Markup, Number, coordinate, element, join
from pilothouse.report.scales import Scale

WIDE = 760
"""Pixels a chart is drawn for where there is room."""

NARROW = 342
"""Pixels a chart is drawn for on a telephone held upright; text keeps its size, so there is less of everything."""

SERIES = 6
"""Colours, and marker shapes, before they repeat."""

TEXT = 12.0
"""Font size in charts, pixels."""

_GLYPH, _BOLD = 0.62, 0.74
"""Widths of a character over the font size: those of a wide sans serif, so that labels fit in narrower ones too."""


@dataclass(frozen=True)
class Reference:
    """A value to compare with, drawn as a dashed line through the whole chart, with its interval as a pale band."""

    label: str
    value: Number
    low: Number | None = None
    high: Number | None = None

    @property
    def values(self) -> tuple[Number, ...]:
        return tuple(v for v in (self.value, self.low, self.high) if v is not None)


def is_narrow(width: int) -> bool:
    return width < 520


def picture(width: int, height: Number, alternative: str, *children: object) -> Markup:
    """The SVG root. `alternative` is what a screen reader says in place of the picture."""
    return element(
        "svg",
        *children,
        class_="chart",
        viewBox=f"0 0 {width} {coordinate(height)}",
        width=width,
        height=coordinate(height),
        role="img",
        aria_label=alternative,
    )


def nothing_to_draw(width: int, alternative: str, why: str) -> Markup:
    """A chart without data: a pale field that says why it is empty."""
    field = element("rect", x=0.5, y=0.5, width=width - 1, height=95, rx=4, class_="hollow")
    return picture(width, 96, f"{alternative}: {why}", field, text(width / 2, 52, why, anchor="middle", class_="quiet"))


def text(x: Number, y: Number, content: object, *, anchor: str | None = None, class_: str | None = None) -> Markup:
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def title(content: object) -> Markup:
    """What is shown on hovering, by the browser itself or, where scripts run, at once and larger."""
    return element("title", content)


def text_width(content: str, size: float = TEXT, *, bold: bool = False) -> float:
    """An upper estimate, in pixels: fonts differ from machine to machine, and there is nothing here to measure one."""
    return (_BOLD if bold else _GLYPH) * size * len(content)


def clipped(content: str, width: Number, *, bold: bool = False) -> str:
    """As much of the text as fits `width` pixels, with an ellipsis where some is cut off."""
    room = max(int(float(width) / text_width("x", bold=bold)), 2)
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


def path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a line through the points."""
    return "M" + "L".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)


def series(index: int) -> str:
    """The class that carries the colour of the series at this place."""
    return f"s{index % SERIES + 1}"


def marker(index: int, x: Number, y: Number, size: Number = 4.5, *children: object, class_: str = "dot") -> Markup:
    """The mark of a series: colours differ, and so do shapes, for those who cannot tell the colours apart."""
    x, y, r = float(x), float(y), float(size)
    shape = index % SERIES
    if shape == 0:
        return element("circle", *children, cx=x, cy=y, r=r, class_=class_)
    corners = {
        1: ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
        2: ((0.0, -1.15), (1.1, 0.8), (-1.1, 0.8)),
        3: ((0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)),
        4: ((0.0, 1.15), (1.1, -0.8), (-1.1, -0.8)),
        5: ((-0.5, -1.1), (0.5, -1.1), (1.1, 0.0), (0.5, 1.1), (-0.5, 1.1), (-1.1, 0.0)),
    }[shape]
    return element("path", *children, d=path([(x + dx * r, y + dy * r) for dx, dy in corners]) + "Z", class_=class_)


def bottom_axis(scale: Scale, y: Number, top: Number, label: str) -> Markup:
    """Ticks under the plot with grid lines up to `top`, and the label of the axis below them, at its end."""
    y = float(y)
    marks = [
        join(
            (
                element("line", x1=scale(tick), x2=scale(tick), y1=top, y2=y, class_="grid"),
                text(scale(tick), y + 17, shown, anchor="middle", class_="tick"),
            )
        )
        for tick, shown in zip(scale.ticks, scale.labels, strict=True)
    ]
    name = text(scale.end, y + 35, clipped(label, scale.end), anchor="end", class_="name") if label else None
    return element("g", *marks, name)


def left_axis(scale: Scale, x: Number, right: Number) -> Markup:
    """Ticks left of the plot, with grid lines across to `right`."""
    x = float(x)
    marks = [
        join(
            (
                element("line", x1=x, x2=right, y1=scale(tick), y2=scale(tick), class_="grid"),
                text(x - 8, scale(tick) + 4, shown, anchor="end", class_="tick"),
            )
        )
        for tick, shown in zip(scale.ticks, scale.labels, strict=True)
    ]
    return element("g", *marks)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions moved as little as needed for neighbours to be `gap` apart, in the same order, within `[low, high]`.

    Where there is no room for all, they share what there is evenly.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    if len(order) > 1:
        gap = min(gap, (high - low) / (len(order) - 1))
    placed: list[float] = []
    for place, index in enumerate(order):
        # Each one leaves room for those still to come.
        ceiling = high - gap * (len(order) - 1 - place)
        floor = placed[-1] + gap if placed else low
        placed.append(max(min(positions[index], ceiling), floor))
    # A second pass upwards: a crowd is pushed to both sides of where it wants to be, not only downwards.
    for place in range(len(order) - 2, -1, -1):
        want = positions[order[place]]
        room = placed[place + 1] - gap
        if placed[place] > want:
            floor = placed[place - 1] + gap if place else low
            placed[place] = max(min(want, room), min(floor, placed[place]))
    result = [0.0] * len(order)
    for place, index in enumerate(order):
        result[index] = placed[place]
    return result


def notes(lines: Sequence[str], x: Number, y: Number, width: Number) -> tuple[Markup | None, float]:
    """Small print under a chart, wrapped to `width`; returns it with its height."""
    room = max(int(float(width) / (_GLYPH * 11)), 12)
    wrapped = [row for line in lines for row in textwrap.wrap(line, room)]
    if not wrapped:
        return None, 0.0
    shown = [text(x, float(y) + 16 * i, row, class_="note") for i, row in enumerate(wrapped)]
    return element("g", *shown), 16.0 * len(wrapped)


def left_out(bad: int) -> list[str]:
    """The note on values that could not be drawn."""
    if not bad:
        return []
    return [f"Left out: {bad:,} value{'' if bad == 1 else 's'} that {'is' if bad == 1 else 'are'} not finite."]
