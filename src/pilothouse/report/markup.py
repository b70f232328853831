"""Markup built from elements, so that every piece of text is escaped once and none by accident twice.

`element` takes children that are either `Markup`, which passes, or plain text, which is escaped. There is no other way
in: a label, a path or an error message from outside can never become a tag, an attribute or a script.
"""

import html
import re
from collections.abc import Iterable

import numpy as np

Number = float | int | np.number
"""What the report room takes as a number: Python's or NumPy's; NaN and infinities are allowed and are said."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Control characters, which XML forbids, and the marks that turn the direction of the text around them."""

_EMPTY = frozenset({"meta", "link", "br", "col", "hr", "img", "input", "source", "wbr"})
_DRAWN = frozenset({"rect", "line", "path", "circle", "polyline", "polygon"})


class Markup(str):
    """Text that is already markup. Only `element`, `join` and the room's own files make it."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """`text` as markup that shows it: tags, quotes and ampersands escaped, control characters left out."""
    if isinstance(text, Markup):
        return text
    sound = str(text).encode("utf-8", "replace").decode("utf-8")
    return Markup(html.escape(_UNPRINTABLE.sub("", sound), quote=True))


def join(children: Iterable[object]) -> Markup:
    """The children one after another, each escaped unless it is markup; None is left out."""
    return Markup("".join(escape(child) for child in children if child is not None))


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """`<name …>children</name>`.

    **Arguments:**
    - `name`: of the element; a constant of this room, never a user's text.
    - `children`: `Markup`, text (escaped), or None (left out).
    - `attributes`: a trailing underscore is dropped (`class_`), others become hyphens (`stroke_width`), except in
      `viewBox` and its like, which have none. None and False are left out, True stands alone, numbers are shortened.
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _EMPTY:
        return Markup(f"<{name}{shown}>")
    if name in _DRAWN and not children:
        return Markup(f"<{name}{shown}/>")
    return Markup(f"<{name}{shown}>{join(children)}</{name}>")


def coordinate(value: Number) -> str:
    """A length in SVG units, to a hundredth, without trailing zeros."""
    text = f"{float(value):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is False:
        return ""
    if value is True:
        return f" {name}"
    number = isinstance(value, float | int | np.number)
    return f' {name}="{coordinate(value) if number else escape(value)}"'
