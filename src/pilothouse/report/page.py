"""A page: sections of prose, tables, charts and video, as one HTML text that needs nothing beside itself.

Nothing is fetched: style, script, pictures and video are inside, and a content security policy forbids the rest. All
text goes through `markup.element`, which escapes it. Between backticks, prose is set as code.
"""

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Protocol, runtime_checkable

from pilothouse.core.errors import OutputError
from pilothouse.report.charts import NARROW, WIDE, chart_style
from pilothouse.report.markup import Markup, element, escape, join
from pilothouse.report.video import Video

LARGEST_PAGE = 15_000_000
"""Bytes; a page beyond this is slow to open and is refused by many mail servers."""


@runtime_checkable
@runtime_checkable
class Block(Protocol):
    """A piece of a section, which knows how to show itself."""

    def html(self) -> Markup: ...


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str

    def html(self) -> Markup:
        return element("p", inline(self.text))


@dataclass(frozen=True)
class Bullets:
    """A list without order."""

    items: Sequence[str]

    def html(self) -> Markup:
        return element("ul", *(element("li", inline(item)) for item in self.items))


@dataclass(frozen=True)
class Callout:
    """What the reader should take away: one sentence in large type, and those that qualify it."""

    headline: str
    sentences: Sequence[str] = ()

    def html(self) -> Markup:
        rest = Bullets(self.sentences).html() if self.sentences else None
        return element("div", element("p", inline(self.headline), class_="headline"), rest, class_="callout")


@dataclass(frozen=True)
class Notice:
    """Something that is missing or did not go as planned."""

    text: str

    def html(self) -> Markup:
        return element("p", inline(self.text), class_="notice", role="note")


@dataclass(frozen=True)
class Fact:
    """A number that stands by itself: what it is, the number, and what to compare it with."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """A few numbers side by side, large."""

    items: Sequence[Fact]

    def html(self) -> Markup:
        return element("dl", *(self._one(fact) for fact in self.items), class_="facts")

    def _one(self, fact: Fact) -> Markup:
        note = element("dd", inline(fact.note), class_="fact-note") if fact.note else None
        return element("div", element("dt", fact.name), element("dd", fact.value, class_="fact-value"), note)


@dataclass(frozen=True)
class Pairs:
    """Names and values, small: versions, settings, the machine."""

    items: Sequence[tuple[str, str]]

    def html(self) -> Markup:
        rows = [element("div", element("dt", name), element("dd", value)) for name, value in self.items]
        return element("dl", *rows, class_="pairs")


@dataclass(frozen=True)
class Table:
    """Rows under a caption. The first column names the row; columns of numbers are set to the right.

    - `columns`: their headings; a heading may be empty.
    - `rows`: as many texts each as there are columns; what follows a line break is set small below.
    - `best`: rows to set in bold weight, by place.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: Sequence[int] = ()
    words: Sequence[int] = ()
    """Columns, by place, that hold words and are set to the left, as the first one is."""

    def html(self) -> Markup:
        head = element("thead", element("tr", *(self._cell("th", c, i, "col") for i, c in enumerate(self.columns))))
        body = element("tbody", *(self._row(place, row) for place, row in enumerate(self.rows)))
        table = element("table", element("caption", element("span", inline(self.caption))), head, body)
        return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=self.caption)

    def _row(self, place: int, row: Sequence[str]) -> Markup:
        cells = [self._cell("th" if i == 0 else "td", text, i, "row" if i == 0 else None) for i, text in enumerate(row)]
        return element("tr", *cells, class_="best" if place in self.best else None)

    def _cell(self, name: str, text: str, column: int, scope: str | None) -> Markup:
        kind = "words" if column == 0 or column in self.words else None
        shown, *below = text.split("\n")
        small = (element("span", inline(line), class_="below") for line in below)
        return element(name, inline(shown), *small, scope=scope, class_=kind)


@runtime_checkable
class Draw(Protocol):
    """Draws a chart for a width in pixels."""

    def __call__(self, *, width: int) -> Markup: ...


@dataclass(frozen=True)
class Figure:
    """A chart with its caption. `draw` is called with the width in pixels, once for screens and once for telephones.

    The style sheet shows the one that fits; the other takes no room and is not read out.
    """

    draw: Draw
    caption: str
    title: str = ""

    def html(self) -> Markup:
        wide = element("div", self.draw(width=WIDE), class_="wide")
        narrow = element("div", self.draw(width=NARROW), class_="narrow")
        head = element("strong", inline(self.title), " ") if self.title else None
        return element("figure", wide, narrow, element("figcaption", head, inline(self.caption)))


@dataclass(frozen=True)
class Film:
    """A video with its caption, or the reason why there is none."""

    video: Video
    caption: str
    describe: str = "Video of an episode"

    def html(self) -> Markup:
        if self.video.data is None:
            return Notice(self.video.reason).html()
        source = f"data:{self.video.media_type};base64,{base64.b64encode(self.video.data).decode('ascii')}"
        size = {"width": self.video.width, "height": self.video.height}
        if self.video.media_type.startswith("video/"):
            shown = element(
                "video",
                self.describe,
                controls=True,
                loop=True,
                muted=True,
                playsinline=True,
                preload="auto",
                src=source,
                aria_label=self.describe,
                **size,
            )
        else:
            shown = element("img", src=source, alt=self.describe, **size)
        note = f" {self.video.reason}" if self.video.reason else ""
        return element("figure", shown, element("figcaption", inline(self.caption + note)), class_="film")


@dataclass(frozen=True)
class Code:
    """A command or a listing, exactly as it is to be typed; lines that are too long scroll."""

    text: str
    label: str = "Command"

    def html(self) -> Markup:
        return element("pre", element("code", self.text), tabindex="0", role="region", aria_label=self.label)


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown on demand; on paper they are always shown."""

    summary: str
    blocks: Sequence[Block]

    def html(self) -> Markup:
        return element("details", element("summary", inline(self.summary)), *(block.html() for block in self.blocks))


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report.

    - `title`: of the window and of the page.
    - `eyebrow`: a line above the title, saying what kind of report this is.
    - `lead`: a line or two below it.
    - `sections`: in reading order. The first should say what came out.
    """

    title: str
    eyebrow: str = ""
    lead: str = ""
    sections: Sequence[Section] = field(default=())

    def html(self) -> str:
        """The whole document."""
        names = [_anchor(section.title, place) for place, section in enumerate(self.sections)]
        eyebrow = element("p", self.eyebrow, class_="eyebrow") if self.eyebrow else None
        lead = element("p", inline(self.lead), class_="lead") if self.lead else None
        header = element(
            "header", eyebrow, element("h1", _breakable(self.title)), lead, _contents(self.sections, names)
        )
        main = element("main", *(_section(s, name) for s, name in zip(self.sections, names, strict=True)))
        footer = element("footer", element("p", "Made by Pilothouse. This file holds all that it shows."))
        body = element("body", header, main, footer, element("script", Markup(_asset("page.js"))))
        return "<!doctype html>\n" + element("html", _head(self.title), body, lang="en") + "\n"


def inline(text: str) -> Markup:
    """Text with what stands between backticks set as code."""
    pieces = re.split(r"`([^`]+)`", text)
    return join(element("code", piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces))


def write_page(page: Page, path: Path) -> Path:
    """Writes the page and returns its absolute path; the file appears whole or not at all.

    Raises `OutputError` where it cannot be written, or is larger than `LARGEST_PAGE`.
    """
    data = page.html().encode("utf-8")
    if len(data) > LARGEST_PAGE:
        raise OutputError(
            f"The report {str(path)!r} would be {len(data) / 1e6:.1f} MB; expected at most "
            f"{LARGEST_PAGE / 1e6:.0f} MB. Leave out the video, or report fewer seeds or metrics."
        )
    path = Path(path).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as fault:
        raise OutputError(
            f"The report {str(path)!r} cannot be written ({fault.strerror or fault}). "
            "Free some space, or give a folder that can be written to."
        ) from fault
    return path


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files that only their owner may read; a report is as public as its folder.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _breakable(title: str) -> Markup:
    """A long name may be broken where its words meet, as in `InvertedDoublePendulum-v5`, and nowhere else at first."""
    pieces = re.split(r"(?<=[a-z])(?=[A-Z])|(?<=[-_/.:])(?=\w)", title)
    return join(part for place, piece in enumerate(pieces) for part in ((element("wbr"),) if place else ()) + (piece,))


def _section(section: Section, name: str) -> Markup:
    heading = element("h2", section.title, id=f"{name}-title")
    blocks = (block.html() for block in section.blocks)
    return element("section", heading, *blocks, id=name, aria_labelledby=f"{name}-title")


def _contents(sections: Sequence[Section], names: Sequence[str]) -> Markup | None:
    if len(sections) < 4:
        return None
    links = [element("a", s.title, href=f"#{name}") for s, name in zip(sections, names, strict=True)]
    return element("nav", *links, aria_label="Sections")


def _anchor(title: str, place: int) -> str:
    """Letters and digits of the title, with its place, so that equal titles stay apart."""
    return "-".join([*re.findall("[a-z0-9]+", title.lower())[:5], str(place + 1)])


def _head(title: str) -> Markup:
    script = base64.b64encode(hashlib.sha256(_asset("page.js").encode("utf-8")).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(chart_style() + _asset("page.css"))),
    )


@cache
def _asset(name: str) -> str:
    return resources.files("pilothouse.report").joinpath(name).read_text("utf-8")
