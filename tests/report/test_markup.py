"""Nothing from outside becomes markup."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.report.markup import Markup, element, escape, join

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><iframe src=https://example.org>",
    "a & b < c > d \" e ' f",
    "\x00\x1b[31m\ud800 \u202eesrever",
)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_as_child_and_as_attribute(text):
    parser = Tags()
    parser.feed(element("p", text, title=text))
    (tag, attributes), *rest = parser.seen
    assert (tag, list(attributes), rest) == ("p", ["title"], [])
    shown = re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", "", text.encode("utf-8", "replace").decode())
    assert parser.text == shown == attributes["title"]


@given(st.text())
def test_any_text_survives_in_well_formed_xml(text):
    root = ElementTree.fromstring(element("g", element("text", text), aria_label=text))
    kept = re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", "", text)
    assert (root[0].text or "") == kept.encode("utf-8", "replace").decode()


def test_markup_passes_once_and_text_is_escaped_once():
    assert join(("a<b", Markup("<br>"), None, "&amp;")) == "a&lt;b<br>&amp;amp;"
    assert escape(escape("<")) == "&lt;"


def test_attributes_by_hand():
    line = element("line", x1=1.0, x2=2.346, y1=-0.001, stroke_width=3, class_="a", hidden=None)
    assert line == '<line x1="1" x2="2.35" y1="0" stroke-width="3" class="a"/>'
    assert element("video", muted=True, loop=False) == "<video muted></video>"
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'
