"""The pages of the catalogue: 431 papers with what is built and measured, and one in full."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pilothouse.report.markup import Markup, element
from pilothouse.report.numerals import UNKNOWN, count, duration, number
from pilothouse.report.view import layout

Row = dict[str, Any]
VERDICTS = (
    ("", "Any verdict"),
    ("shown", "Shown"),
    ("inconclusive", "Inconclusive"),
    ("contradicted", "Contradicted"),
    ("none", "Not measured"),
)
STATUSES = (("", "Any status"), ("built", "Built"), ("planned", "Planned"), ("reading", "Reading"))
_KINDS = {"shown": "good", "contradicted": "warn", "inconclusive": ""}


def papers_page(rows: Sequence[Row], query: Mapping[str, str], folder: str) -> str:
    """The list, filtered by words, wing, status and verdict."""
    wings = sorted({row["wing"] for row in rows})
    words = query.get("q", "").lower().split()
    wing, status, verdict = (query.get(key, "") for key in ("wing", "status", "verdict"))
    shown = [
        row
        for row in rows
        if (not wing or row["wing"] == wing)
        and (not status or row["status"] == status)
        and (not verdict or (row["verdict"] or "none") == verdict)
        and all(word in f"{row['key']} {row['title']} {row['wing']}".lower() for word in words)
    ]
    form = element(
        "form",
        layout.search("q", query.get("q", ""), label="Search", hint="title, key or wing"),
        layout.choice("wing", wing, [("", "Any wing"), *((name, name) for name in wings)], label="Wing"),
        layout.choice("status", status, STATUSES, label="Status"),
        layout.choice("verdict", verdict, VERDICTS, label="Verdict"),
        element("button", "Apply", type="submit"),
        class_="filters",
        role="search",
        data_auto=True,
    )
    cells = [
        [
            element("a", row["key"], href=f"/papers/{row['key']}"),
            row["title"],
            row["wing"],
            layout.chip(row["status"], "good" if row["status"] == "built" else ""),
            verdict_chip(row),
        ]
        for row in shown
    ]
    body = (
        layout.table(
            "Papers, and methods that are no paper of the catalogue",
            ["Key", "Title", "Wing", "Status", "Verdict"],
            cells,
            id_="papers",
        )
        if cells
        else element("p", "No paper matches. ", element("a", "Show all", href="/papers"), class_="empty")
    )
    return layout.page(
        "Catalogue",
        element("p", _counted(rows, len(shown)), class_="lead"),
        form,
        body,
        active="/papers",
        folder=folder,
    )


def _counted(rows: Sequence[Row], shown: int) -> str:
    papers = sum(row["id"] is not None for row in rows)
    built = sum(row["status"] == "built" for row in rows)
    verdicts = Counter(row["verdict"] for row in rows if row["verdict"])
    told = ", ".join(f"{verdicts[name]} {name}" for name in ("shown", "inconclusive", "contradicted") if verdicts[name])
    return f"{papers} papers and {len(rows) - papers} baselines; {built} built; claims measured by us: {told or 'none'}. {shown} listed."


def verdict_chip(row: Row) -> Markup | str:
    if not row["verdict"]:
        return UNKNOWN
    basis = "" if row["basis"] in (None, "paper") else f" ({row['basis']})"
    weak = ", underpowered" if row.get("underpowered") else ""
    return layout.chip(f"{row['verdict']}{basis}{weak}", _KINDS.get(row["verdict"], ""))


def paper_page(shown: Row, stale: bool, folder: str) -> str:
    """One paper: where it is, what it does, how it is wired, what it claims and what we measured."""
    head = [
        ("Wing", shown["wing"]),
        (
            "Paper",
            f"number {shown['id']} of the catalogue"
            if shown["id"] is not None
            else "a baseline, no paper of the catalogue",
        ),
        ("Status", layout.chip(shown["status"], "good" if shown["status"] == "built" else "")),
    ]
    facts = element("dl", *(element("div", element("dt", k), element("dd", v)) for k, v in head), class_="facts")
    doc = shown.get("doc")
    why = {
        "planned": "This method is planned and not built yet.",
        "reading": "Listed for reading: it holds no method to run.",
    }
    told = layout.section("What it does", *_paragraphs(doc)) if doc else layout.sentences(why.get(shown["status"], ""))
    parts = [facts, told, _claim(shown, stale), _wiring(shown), _settings(shown), _commands(shown)]
    return layout.page(shown["title"], *parts, active="/papers", folder=folder)


def _paragraphs(doc: str) -> list[Markup]:
    return [element("p", " ".join(block.split())) for block in doc.split("\n\n")]


def _claim(shown: Row, stale: bool) -> Markup | None:
    claim, record = shown.get("claim"), shown.get("record")
    if not claim:
        return None
    blocks: list[Markup | None] = [element("p", claim["statement"])]
    if isinstance(record, dict):
        verdict = {"verdict": record["verdict"], "basis": record["basis"], "underpowered": record["underpowered"]}
        blocks.append(
            element(
                "p",
                verdict_chip(verdict),
                f" on {count(len(record['seeds']), 'seed')}, in {duration(record['seconds'])}.",
            )
        )
        if stale:
            blocks.append(
                element("p", "Measured with earlier parts: what it is built from has changed since.", class_="notice")
            )
        blocks.append(
            element(
                "img",
                src=f"/papers/{shown['key']}/record.svg",
                alt=f"Every arm's seeds, mean and 95% interval: {record['verdict']}",
                class_="record",
            )
        )
        head = ["Relation", "Difference", "95% interval", "Verdict"]
        blocks.append(
            layout.table(
                "What the paper asserts, and what came out", head, [_relation(one) for one in record["relations"]]
            )
        )
        blocks.append(element("p", claim["notes"], class_="quiet") if claim.get("notes") else None)
    else:
        blocks.append(element("p", "Not measured yet.", class_="empty"))
    return layout.section("Claim and record", *blocks)


def _relation(one: Row) -> list[Markup | str]:
    low, high = one["interval"]
    return [
        one["relation"],
        number(one["difference"]),
        f"{number(low)} to {number(high)}",
        layout.chip(one["verdict"], _KINDS.get(one["verdict"], "")),
    ]


def _wiring(shown: Row) -> Markup | None:
    parts = shown.get("parts")
    if not parts:
        return None
    rows = [
        [
            name,
            f"copy of {part['copy_of']}" if part["copy_of"] else "new",
            ", ".join(part["trained_by"]) or UNKNOWN,
            ", ".join(part["written_by"]) or UNKNOWN,
        ]
        for name, part in parts.items()
    ]
    return layout.section("Wiring", layout.table("Its parts", ["Part", "Made as", "Trained by", "Written by"], rows))


def _settings(shown: Row) -> Markup | None:
    settings = shown.get("settings")
    if not settings:
        return None
    rows = [
        [name, str(one["default"]), one["type"], one["range"] or ", ".join(map(str, one["choices"])) or UNKNOWN]
        for name, one in settings.items()
    ]
    return layout.section("Settings", layout.table("What `--set` takes", ["Setting", "Default", "Type", "Range"], rows))


def _commands(shown: Row) -> Markup | None:
    if shown["status"] != "built" or not shown.get("claim"):
        return None
    return layout.section(
        "Measure it yourself", element("pre", element("code", f"pilothouse reproduce {shown['key']} --out my-records"))
    )


def record_plot(record: str | None) -> bytes | None:
    """The plot that lies beside a record, if it is there."""
    path = Path(record).with_suffix(".svg") if record else None
    return path.read_bytes() if path is not None and path.is_file() else None
