"""Learning curves: one thin line per seed, a bold one through their middle, and a band that says how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from pilothouse.report.frame import (
    TEXT,
    WIDE,
    Reference,
    bottom_axis,
    clipped,
    is_narrow,
    left_axis,
    left_out,
    marker,
    notes,
    nothing_to_draw,
    path,
    picture,
    series,
    spread,
    text,
    text_width,
    title,
)
from pilothouse.report.markup import Markup, element
from pilothouse.report.numerals import number, si
from pilothouse.report.scales import Scale, Values, drawable, finite, scale_over
from pilothouse.statistics import interquartile_mean

POINTS = 240
"""Points drawn per line at most; more cannot be seen, and make the page heavy."""

LINES = 16
"""Thin lines drawn per curve at most."""

HOVERS = 48
"""Places along the steps at which hovering tells the numbers."""

_RESAMPLES = 500


@dataclass(frozen=True)
class Curve:
    """One method over its steps.

    - `label`: written at the end of the line.
    - `steps`, `center`: `[time]`, the bold line; steps ascending.
    - `low`, `high`: `[time]`, the band around it; None for no band. Where an end is not finite the band is left out.
    - `lines`: for each seed its `(steps, values)`, drawn thin.
    """

    label: str
    steps: Values
    center: Values
    low: Values | None = None
    high: Values | None = None
    lines: Sequence[tuple[Values, Values]] = field(default=())


def curve_of_seeds(label: str, steps: Values, values: Values) -> Curve:
    """A curve from several seeds that were measured at the same steps.

    The bold line is the interquartile mean over seeds, at the steps where every seed has a finite value: a mean over
    the seeds that survived would flatter. The band is the pointwise 95% bootstrap interval of that mean over seeds.

    **Arguments:** `steps` `[time]`; `values` `[seed, time]`, NaN where a seed has none.
    """
    times, array = np.asarray(steps, np.float64), np.atleast_2d(np.asarray(values, np.float64))
    lines = tuple((times, row) for row in array)
    whole = finite(array).all(axis=0)
    places = np.flatnonzero(whole)
    places = places[_thinned_to(POINTS, len(places))]
    kept = array[:, places]
    center = interquartile_mean(kept, axis=0) if kept.size else np.zeros(0)
    if len(array) < 2 or not kept.size:
        return Curve(label, times[places], center, lines=lines)
    low, high = bootstrap_band(kept)
    return Curve(label, times[places], center, low, high, lines)


def curve_of_runs(label: str, runs: Mapping[int, tuple[Values, Values]]) -> Curve:
    """A curve from seeds that may have been measured at different steps: `{seed: (steps, values)}`."""
    every = np.unique(np.concatenate([np.asarray(steps, np.float64) for steps, _ in runs.values()] or [np.zeros(0)]))
    values = np.full((max(len(runs), 1), len(every)), np.nan)
    for row, (steps, seed_values) in zip(values, runs.values(), strict=False):
        row[np.searchsorted(every, np.asarray(steps, np.float64))] = np.asarray(seed_values, np.float64)
    curve = curve_of_seeds(label, every, values)
    return Curve(label, curve.steps, curve.center, curve.low, curve.high, tuple(runs.values()))


def bootstrap_band(
    values: Float[np.ndarray, "seed time"], *, seed: int = 0
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """The 95% percentile bootstrap interval of the interquartile mean over seeds, at each time by itself.

    Seeds are drawn whole, the same ones at all times, so that the band is as smooth as the lines.
    """
    drawn = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    chunk = max(1, 2_000_000 // (drawn.size or 1))
    ends = [
        np.quantile(interquartile_mean(values[drawn, start : start + chunk], axis=1), [0.025, 0.975], axis=0)
        for start in range(0, values.shape[1], chunk)
    ]
    low, high = np.concatenate(ends, axis=1)
    return low, high


def learning_curves(
    curves: Sequence[Curve],
    *,
    describe: str = "Learning curves",
    x_label: str = "steps",
    y_label: str = "return",
    references: Sequence[Reference] = (),
    width: int = WIDE,
) -> Markup:
    """Curves on common axes, each labelled at its end.

    **Arguments:**
    - `curves`: in the order of their colours.
    - `describe`: what the picture shows, for those who cannot see it; the last values are added.
    - `references`: horizontal lines to compare with.
    - `width`: in pixels, at least 300; below 520 the layout is that of a telephone.
    """
    drawn = [_sound(curve) for curve in curves]
    bad = sum(curve.bad for curve in drawn)
    if not any(len(curve.x) or curve.lines for curve in drawn):
        why = "No value is finite." if bad else "There is nothing to draw yet."
        return nothing_to_draw(width, describe, why)
    return _drawn(drawn, describe, x_label, y_label, references, width, left_out(bad) + _thinned(drawn))


@dataclass(frozen=True)
class _Sound:
    """A curve with everything that cannot be drawn taken out and counted."""

    label: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lines: list[tuple[np.ndarray, ...]]
    bad: int
    hidden: int
    stride: int

    @property
    def end(self) -> tuple[float, float]:
        """Where the label belongs: the last point of the bold line, or of the longest thin one."""
        x, y = (self.x, self.y) if len(self.x) else max(self.lines, key=lambda line: line[0][-1])
        return float(x[-1]), float(y[-1])


def _sound(curve: Curve) -> _Sound:
    x, y = np.asarray(curve.steps, np.float64), np.asarray(curve.center, np.float64)
    missing = np.full(len(x), np.nan)
    low = missing if curve.low is None else np.asarray(curve.low, np.float64)
    high = missing if curve.high is None else np.asarray(curve.high, np.float64)
    x, y, low, high = (part[finite(x) & finite(y)] for part in (x, y, low, high))
    lines = [(np.asarray(steps, np.float64), np.asarray(values, np.float64)) for steps, values in curve.lines]
    good = [(a[finite(a) & finite(b)], b[finite(a) & finite(b)]) for a, b in lines]
    bad = len(missing) - len(x) + sum(len(a) - len(b) for (a, _), (b, _) in zip(lines, good, strict=True))
    good = [line for line in good if len(line[0])]
    shown = [tuple(part[_thinned_to(POINTS, len(part))] for part in line) for line in good[:LINES]]
    x, y, low, high = (part[_thinned_to(POINTS, len(part))] for part in (x, y, low, high))
    stride = -(-max([len(x), *(len(steps) for steps, _ in good)]) // POINTS)
    return _Sound(curve.label, x, y, low, high, shown, bad, max(len(good) - LINES, 0), stride)


def _thinned_to(most: int, length: int) -> Int[np.ndarray, " place"]:
    """At most `most` places of `length`, and one more, evenly apart, with the first and the last."""
    stride = -(-length // most)
    return np.unique(np.r_[0, np.arange(length - 1, -1, -stride)]) if stride > 1 else np.arange(length)


def _thinned(curves: Sequence[_Sound]) -> list[str]:
    stride, hidden = max(curve.stride for curve in curves), max(curve.hidden for curve in curves)
    said = [f"Of long lines only each {stride}th point is drawn."] if stride > 1 else []
    return said + ([f"Of {hidden + LINES} seeds the first {LINES} are drawn thin."] if hidden else [])


def _drawn(
    curves: Sequence[_Sound],
    describe: str,
    x_label: str,
    y_label: str,
    references: Sequence[Reference],
    width: int,
    said: list[str],
) -> Markup:
    known = [r for r in references if drawable(r.value)]
    shown = [curve for curve in curves if len(curve.x) or curve.lines]
    top, bottom = 30.0, 250.0 if is_narrow(width) else 300.0
    y = scale_over(_heights(shown, known), bottom, top)
    left = max(text_width(label) for label in y.labels) + 14
    names = [text_width(curve.label, bold=True) for curve in shown] + [text_width(r.label) for r in known]
    right = width - min(max(names) + 18, width * (0.3 if is_narrow(width) else 0.22))
    steps = [v for curve in shown for part in (curve.x, *(line[0] for line in curve.lines)) for v in part]
    x = scale_over(steps, left, right, wanted=4 if is_narrow(width) else 6, tight=True)
    small, small_height = notes(said, left, bottom + 56, width - left)
    return picture(
        width,
        bottom + 46 + small_height + (6 if said else 0),
        _alternative(describe, shown),
        text(0, 13, clipped(y_label, width), class_="name"),
        left_axis(y, left, right),
        bottom_axis(x, bottom, bottom, x_label),
        *(_reference(reference, y, left, right) for reference in known),
        *(_curve(curve, curves.index(curve), x, y) for curve in shown),
        _end_labels(shown, [curves.index(curve) for curve in shown], known, x, y, width),
        *_hovers(shown, x, y),
        small,
    )


def _heights(curves: Sequence[_Sound], references: Sequence[Reference]) -> list[float]:
    parts = [part for c in curves for part in (c.y, c.low, c.high, *(line[1] for line in c.lines))]
    return [float(v) for part in parts for v in part] + [float(v) for r in references for v in r.values]


def _curve(curve: _Sound, index: int, x: Scale, y: Scale) -> Markup:
    points = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True)]
    sure = finite(curve.low) & finite(curve.high)
    upper = [(x(a), y(b)) for a, b in zip(curve.x[sure], curve.high[sure], strict=True)]
    lower = [(x(a), y(b)) for a, b in zip(curve.x[sure], curve.low[sure], strict=True)]
    band = element("path", d=path(upper + lower[::-1]) + "Z", class_="band") if len(upper) > 1 else None
    thin = [_line([(x(a), y(b)) for a, b in zip(*line, strict=True)], "thin") for line in curve.lines]
    ends = marker(index, *points[-1]) if points else None
    return element("g", band, *thin, _line(points, "bold"), ends, class_=series(index))


def _line(points: list[tuple[float, float]], class_: str) -> Markup | None:
    """A line, or a dot where there is only one point."""
    if not points:
        return None
    if len(points) == 1:
        return element("circle", cx=points[0][0], cy=points[0][1], r=2, class_=f"{class_} alone")
    return element("path", d=path(points), class_=class_)


def _reference(reference: Reference, y: Scale, left: float, right: float) -> Markup:
    band = None
    if reference.low is not None and reference.high is not None and drawable(reference.low, reference.high):
        above, below = y(reference.high), y(reference.low)
        band = element("rect", x=left, y=above, width=right - left, height=below - above, class_="veil")
    line = element("line", x1=left, x2=right, y1=y(reference.value), y2=y(reference.value), class_="ref")
    return element("g", band, line)


def _end_labels(
    curves: Sequence[_Sound], places: list[int], references: Sequence[Reference], x: Scale, y: Scale, width: int
) -> Markup:
    """Names beside the ends of their lines, moved apart where they would overlap, then tied on by a hairline."""
    ends = [(x(a), y(b)) for a, b in (curve.end for curve in curves)] + [(x.end, y(r.value)) for r in references]
    names = [curve.label for curve in curves] + [reference.label for reference in references]
    classes = [f"label {series(place)}" for place in places] + ["label quiet"] * len(references)
    heights = spread([end[1] for end in ends], TEXT + 3, y.end, y.start)
    column = x.end + 14
    shown = []
    for (end_x, end_y), name, class_, height in zip(ends, names, classes, heights, strict=True):
        away = abs(height - end_y) > 2 or x.end - end_x > 6
        tie = element("path", d=path([(end_x + 6, end_y), (column - 3, height)]), class_="tie") if away else None
        label = clipped(name, width - column, bold="quiet" not in class_)
        full = title(name) if label != name else None
        shown += [tie, element("text", label, full, x=column, y=height + 4, class_=class_)]
    return element("g", *shown)


def _hovers(curves: Sequence[_Sound], x: Scale, y: Scale) -> list[Markup]:
    """Invisible columns that show a line and tell the numbers of every curve at their step."""
    every = np.unique(np.concatenate([curve.x for curve in curves]))
    if not len(every):
        return []
    steps = every[np.unique(np.linspace(0, len(every) - 1, min(HOVERS, len(every))).astype(int))]
    pixels = [x(step) for step in steps]
    edges = [x.start, *((a + b) / 2 for a, b in zip(pixels[:-1], pixels[1:], strict=True)), x.end]
    columns = []
    for step, pixel, left, right in zip(steps, pixels, edges[:-1], edges[1:], strict=True):
        told = "\n".join([f"step {si(step)}", *filter(None, (_told(curve, step) for curve in curves))])
        rule = element("line", x1=pixel, x2=pixel, y1=y.end, y2=y.start)
        field = element("rect", title(told), x=left, y=y.end, width=max(right - left, 1), height=y.start - y.end)
        columns.append(element("g", rule, field, class_="hover"))
    return columns


def _told(curve: _Sound, step: float) -> str | None:
    """`IQL  9,120 (8,900 to 9,300)`, at the curve's last step that is not later; None before its first."""
    place = int(np.searchsorted(curve.x, step, side="right")) - 1
    if place < 0:
        return None
    sure = drawable(curve.low[place], curve.high[place])
    band = f" ({number(curve.low[place])} to {number(curve.high[place])})" if sure else ""
    return f"{curve.label}: {number(curve.y[place])}{band}"


def _alternative(describe: str, curves: Sequence[_Sound]) -> str:
    ends = "; ".join(f"{c.label} ends at {number(c.end[1])} after {si(c.end[0])} steps" for c in curves)
    return f"{describe}. {ends}."
