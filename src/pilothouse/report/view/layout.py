"""What every page of the app shares: its frame, its head, and small forms."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from pilothouse.report.markup import Markup, element, join

PAGES = (("/", "Runs"), ("/papers", "Catalogue"), ("/datasets", "Datasets"))


def page(title: str, *body: Markup | None, active: str, folder: str, scripts: bool = True) -> str:
    """A whole document. `active` is the address of the page's tab, `folder` what is being viewed."""
    links = [
        element("a", name, href=address, aria_current="page" if address == active else None) for address, name in PAGES
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · Pilothouse"),
        element("link", rel="icon", href="/static/icon.svg"),
        element("link", rel="stylesheet", href="/static/view.css"),
        *(
            element("script", src=f"/static/{name}.js", defer=True)
            for name in (("plotly", "view") if scripts else ("view",))
        ),
    )
    bar = element(
        "div",
        element("a", "Skip to content", href="#content", class_="skip"),
        element("a", "Pilothouse", href="/", class_="brand"),
        element("nav", *links, aria_label="Pages"),
        element("span", folder, class_="folder", title="The folder that is viewed"),
        class_="bar",
    )
    main = element("main", element("h1", title), *body, id="content", tabindex="-1")
    return "<!doctype html>\n" + element("html", head, element("body", bar, main), lang="en") + "\n"


def address(path: str, query: Mapping[str, object] | Sequence[tuple[str, object]] = ()) -> str:
    """A link within the app, with everything escaped that needs it; empty values are left out."""
    pairs = list(query.items()) if isinstance(query, Mapping) else list(query)
    asked = urlencode([(name, str(value)) for name, value in pairs if value not in (None, "")])
    return quote(path) + (f"?{asked}" if asked else "")


def field(label: str, control: Markup, *, id_: str) -> Markup:
    """A control with its label above it."""
    return element("div", element("label", label, for_=id_), control, class_="field")


def search(name: str, value: str, *, label: str, hint: str = "") -> Markup:
    control = element(
        "input", type="search", name=name, id=f"q-{name}", value=value, placeholder=hint, autocomplete="off"
    )
    return field(label, control, id_=f"q-{name}")


def choice(name: str, value: str, options: Sequence[tuple[str, str]], *, label: str) -> Markup:
    """A drop-down list of `(value, shown)`."""
    shown = [element("option", text, value=key, selected=key == value or None) for key, text in options]
    return field(label, element("select", *shown, name=name, id=f"q-{name}"), id_=f"q-{name}")


def checkbox(name: str, value: str, label: str) -> Markup:
    """A box to tick whose label is read out and not shown."""
    return element("input", type="checkbox", name=name, value=value, aria_label=label)


def chip(text: str, kind: str = "") -> Markup:
    """A word in a coloured frame: a state, a verdict."""
    return element("span", text, class_=f"chip {kind}".strip())


def table(
    caption: str, head: Sequence[Markup | str], rows: Sequence[Sequence[Markup | str]], *, id_: str = ""
) -> Markup:
    """A table whose cells may hold links. The first column names the row."""
    cells = [element("th", cell, scope="col") for cell in head]
    body = [
        element("tr", *(element("th", c, scope="row") if i == 0 else element("td", c) for i, c in enumerate(row)))
        for row in rows
    ]
    made = element(
        "table", element("caption", caption), element("thead", element("tr", *cells)), element("tbody", *body)
    )
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption, id=id_ or None)


def plot(url: str, label: str, *, tall: bool = False, live: str = "") -> Markup:
    """A place where the script draws what `url` answers; without scripts it says so."""
    return element(
        "div",
        element("noscript", "Curves need JavaScript; the numbers are in the tables."),
        class_="plot tall" if tall else "plot",
        data_curves=url,
        data_live=live or None,
        role="img",
        aria_label=label,
    )


def section(title: str, *body: object) -> Markup:
    return element("section", element("h2", title), *body)


def sentences(*texts: str) -> Markup:
    return join(element("p", text) for text in texts if text)
