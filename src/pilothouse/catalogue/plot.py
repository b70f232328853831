"""The plot of a record: every arm's seeds, mean and 95% interval, as an SVG made by hand.

It needs no browser and no font, follows the reader's light or dark setting, and says in words what it shows.
"""

import math
import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

Record = dict[str, Any]

WIDTH, ROW, MARGIN = 720, 34, 20
LINE = 16
MOST_BYTES = 60_000
MOST_DOTS = 400
"""Seeds (or items) drawn of one arm; of more, evenly many from lowest to highest."""

STYLE = """
 .record .page{fill:#fff}.record .ink{fill:#1b1f24}.record .soft{fill:#59636e}.record .grid{stroke:#d1d9e0}
 .record .bar{stroke:#1b1f24}.record .dots{stroke:#0072b2}.record .gone{stroke:#d55e00}
 @media(prefers-color-scheme:dark){.record .page{fill:#0d1117}.record .ink{fill:#e6edf3}.record .soft{fill:#9198a1}
 .record .grid{stroke:#3d444d}.record .bar{stroke:#e6edf3}.record .dots{stroke:#56b4e9}.record .gone{stroke:#e69f00}}
 .record text{font:13px system-ui,sans-serif}.record .head{font-weight:600;font-size:15px}
 .record .dots{stroke-opacity:.55;stroke-width:7;stroke-linecap:round}.record .bar{stroke-width:2;fill:none}
 .record .gone{stroke-width:2;fill:none}
"""
"""Every selector starts at the picture, so that nothing of it leaks into a page that holds it."""


def svg(record: Record) -> str:
    """The plot as the text of an SVG file, at most 60 kB."""
    body, height = _body(record)
    name = escape(record["recipe"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'class="record" role="img" aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{escape(_headline(record))}</title>\n'
        f'<desc id="{name}-desc">{escape(_in_words(record))}</desc>\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{height}"/>\n{body}</svg>\n'
    )


def _body(record: Record) -> tuple[str, int]:
    """All that is drawn, top to bottom, and how far down it reaches."""
    drawn, y = [_text(MARGIN, 28, _headline(record), "ink head")], 28
    for line in textwrap.wrap(record["statement"], 100, max_lines=3, placeholder=" …"):
        y += LINE + 2
        drawn.append(_text(MARGIN, y, line, "soft"))
    for unit, arms in _panels(record).items():
        panel, y = _panel(unit, arms, y + 18, record["seeds"])
        drawn.append(panel)
    y += 12
    for relation in record["relations"]:
        for line in textwrap.wrap(_relation_in_words(relation), 105, subsequent_indent="    "):
            y += LINE
            drawn.append(_text(MARGIN, y, line, "ink"))
    y += LINE + 6
    drawn.append(_text(MARGIN, y, "Dots: seeds. Bar: mean and its 95% interval." + _gone_note(record), "soft"))
    return "\n".join(drawn) + "\n", y + 16


def _panel(unit: str, arms: dict[str, Any], top: float, seeds: Sequence[int]) -> tuple[str, int]:
    """The arms of one unit on one axis, and how far down they reach."""
    longest = max(len(arm) for arm in arms)
    left = MARGIN + min(230, 8 + 7 * longest)
    marks = ticks(*_span(arms))
    low, high = marks[0], marks[-1]

    def x(value: float) -> float:
        return left + 8 + (value - low) / (high - low) * (WIDTH - MARGIN - 26 - left)

    bottom = top + ROW * len(arms)
    drawn = [f'<path class="grid" d="{"".join(f"M{x(m):.1f} {top:.0f}V{bottom:.0f}" for m in marks)}"/>']
    drawn += [_text(x(mark), bottom + LINE, f"{mark:g}", "soft", "middle") for mark in marks]
    drawn.append(_text(WIDTH - MARGIN, bottom + 2 * LINE, unit, "soft", "end"))
    for row, (name, arm) in enumerate(arms.items()):
        middle = top + ROW * (row + 0.5)
        shown = name if len(name) <= 31 else name[:30] + "…"
        drawn += [_text(left - 4, middle + 4, shown, "ink", "end"), _arm(arm, middle, x, seeds)]
    return "\n".join(drawn), int(bottom + 2 * LINE)


def _arm(arm: dict[str, Any], middle: float, x: Any, seeds: Sequence[int]) -> str:
    """Dots in three lanes, so that equal values stay apart; rings on the diverged; the mean and its interval."""
    gone = {seed for seed in arm["diverged"]}
    order = sorted(range(len(arm["per_seed"])), key=lambda i: arm["per_seed"][i])
    if len(order) > MOST_DOTS:
        order = [order[round(i * (len(order) - 1) / (MOST_DOTS - 1))] for i in range(MOST_DOTS)]
    places = [(x(arm["per_seed"][i]), middle + 7 * (n % 3 - 1), seeds[i] in gone) for n, i in enumerate(order)]
    dots = "".join(f"M{px:.1f} {py:.0f}h0" for px, py, _ in places)
    drawn = [f'<path class="dots" d="{dots}"/>']
    drawn += [f'<circle class="gone" cx="{px:.1f}" cy="{py:.0f}" r="5.5"/>' for px, py, lost in places if lost]
    mean, (low, high) = x(arm["mean"]), arm["interval"]
    whisker = ""
    if low is not None and high is not None:
        ends = "".join(f"M{x(end):.1f} {middle - 4:.0f}v8" for end in (low, high))
        whisker = f"M{x(low):.1f} {middle:.0f}H{x(high):.1f}{ends}"
    drawn.append(f'<path class="bar" d="{whisker}M{mean:.1f} {middle - 9:.0f}v18"/>')
    return "\n".join(drawn)


def ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers that span `low` to `high`; one unit either side where they are equal."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        reach = 0.1 * abs(low) or 1.0
        low, high = low - reach, high + reach
    rough = (high - low) / 5
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * n for n in (1, 2, 2.5, 5, 10) if scale * n >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def _span(arms: dict[str, Any]) -> tuple[float, float]:
    ends = [v for arm in arms.values() for v in (*arm["per_seed"], *arm["interval"], arm["mean"]) if v is not None]
    return min(ends), max(ends)


def _panels(record: Record) -> dict[str, dict[str, Any]]:
    panels: dict[str, dict[str, Any]] = {}
    for name, arm in record["arms"].items():
        panels.setdefault(arm["unit"], {})[name] = arm
    return panels


def _headline(record: Record) -> str:
    weak = ", underpowered" if record["underpowered"] else ""
    return f"{record['recipe']}: {record['verdict']} ({record['basis']}{weak})"


def _relation_in_words(relation: dict[str, Any]) -> str:
    low, high = relation["interval"]
    width = "interval not known" if low is None else f"95% interval {low:.4g} to {high:.4g}"
    what = "change" if relation["kind"] == "slope" else "difference"
    return f"{relation['relation']}: {relation['verdict']}; {what} {relation['difference']:.4g}, {width}"


def _in_words(record: Record) -> str:
    arms = "; ".join(f"{name}: mean {arm['mean']:.4g} {arm['unit']}" for name, arm in record["arms"].items())
    relations = "; ".join(_relation_in_words(relation) for relation in record["relations"])
    return f"{record['statement']} Over {len(record['seeds'])} seed(s), {arms}. {relations}.{_gone_note(record)}"


def _gone_note(record: Record) -> str:
    count = sum(len(arm["diverged"]) for arm in record["arms"].values())
    return f" Rings: {count} diverged, at their last finite value." if count else ""


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
