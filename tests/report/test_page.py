"""Pages: everything inside, nothing fetched, nothing from outside run."""

import os
import re
from html.parser import HTMLParser

import pytest

from pilothouse.core.errors import OutputError
from pilothouse.report import page as page_module
from pilothouse.report.charts import Bar, bars
from pilothouse.report.page import (
    Bullets,
    Callout,
    Code,
    Fact,
    Facts,
    Figure,
    Film,
    Folded,
    Notice,
    Page,
    Pairs,
    Prose,
    Section,
    Table,
    inline,
    write_page,
)
from pilothouse.report.video import Video, no_video

HOSTILE = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' `<b>`"


class Outline(HTMLParser):
    """Tags in order, with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]


def draw(*, width: int):
    return bars([Bar(HOSTILE, 1)], describe=HOSTILE, width=width)


def everything(text: str) -> Page:
    table = Table(text, [text, text], [[text, f"{text}\n{text}"]], best=[0])
    film = Film(Video(b"\x00\x01", "video/mp4", 4, 2, 30.0, text), text, text)
    blocks = (Prose(text), Bullets([text]), Callout(text, [text]), Notice(text), Facts([Fact(text, text, text)]))
    more = (Pairs([(text, text)]), table, Figure(draw, text, text), film, Film(no_video(text), text))
    return Page(text, text, text, [Section(text, [*blocks, *more, Code(text), Folded(text, [Prose(text)])])] * 4)


def test_hostile_text_is_shown_everywhere_and_run_nowhere():
    outline, plain = Outline(everything(HOSTILE).html()), Outline(everything("plain").html())
    assert outline.names().count("script") == 1
    assert not any(name.startswith("on") for _, attributes in outline.tags for name in attributes)
    # The same elements as with harmless text: what stands between backticks is code, and long titles may break.
    assert {*outline.names()} - {*plain.names()} <= {"code", "wbr"}


def test_nothing_is_fetched_and_a_policy_forbids_it():
    html = everything("plain").html()
    outline = Outline(html)
    links = [a.get("src") or a.get("href") for _, a in outline.tags if a.get("src") or a.get("href")]
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"@import|url\(", html)
    policy = next(a["content"] for t, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "sha256-" in policy and "http" not in policy


def test_headings_captions_and_anchors():
    html = Page("Title", sections=[Section(name, [Prose("x")]) for name in ("One", "Two", "One", "Größe")]).html()
    outline = Outline(html)
    assert outline.names().count("h1") == 1 and outline.names().count("h2") == 4
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for t, a in outline.tags if t == "a"]
    assert len(targets) == 4 and set(targets) <= set(ids)
    assert dict(outline.tags)["html"] == {"lang": "en"}


def test_a_table_has_a_caption_and_names_its_rows_and_columns():
    outline = Outline(Table("What", ["Method", "Return"], [["IQL", "9\n8 to 10"]]).html())
    scopes = [a.get("scope") for t, a in outline.tags if t == "th"]
    assert "caption" in outline.names() and scopes == ["col", "col", "row"]


def test_a_video_is_inside_and_its_absence_is_told():
    shown = Film(Video(b"abc", "video/mp4", 320, 240, 30.0), "One episode.", "A pole swings").html()
    assert 'src="data:video/mp4;base64,YWJj"' in shown and 'aria-label="A pole swings"' in shown and "controls" in shown
    moving = Film(Video(b"abc", "image/gif", 320, 240, 30.0), "One episode.", "A pole swings").html()
    assert 'alt="A pole swings"' in moving
    assert "libEGL is missing" in Film(no_video("libEGL is missing"), "One episode.").html()


def test_inline_code():
    assert inline("run `a < b` & go") == "run <code>a &lt; b</code> &amp; go"
    assert inline("one ` alone") == "one ` alone"


def test_a_page_is_written_whole_and_readable(tmp_path):
    path = write_page(Page("Title"), tmp_path / "new" / "report.html")
    assert path.is_absolute() and path.read_text().startswith("<!doctype html>")
    assert path.stat().st_mode & 0o777 == 0o666 & ~page_module._umask()
    assert os.listdir(path.parent) == ["report.html"]


def test_a_full_disk_leaves_the_old_page_and_no_rest(tmp_path, monkeypatch):
    path = write_page(Page("Old"), tmp_path / "report.html")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_module.os, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_page(Page("New"), path)
    assert "Old" in path.read_text() and os.listdir(tmp_path) == ["report.html"]


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_page(Page("Title"), tmp_path / "file" / "report.html")


def test_a_page_that_is_too_large_is_refused(tmp_path):
    film = Film(Video(b"x" * page_module.LARGEST_PAGE, "video/mp4", 2, 2, 1.0), "")
    with pytest.raises(OutputError, match="expected at most 15 MB"):
        write_page(Page("Title", sections=[Section("One", [film])]), tmp_path / "report.html")
    assert not os.listdir(tmp_path)
