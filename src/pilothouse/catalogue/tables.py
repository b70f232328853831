"""What `papers`, `show` and `reproduce` print, as plain text: no colours, no terminal, the same everywhere."""

import textwrap
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

Row = dict[str, Any]

STRIP = 25
"""Columns of a strip of dots."""


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, right: Collection[int] = ()) -> str:
    """Columns as wide as their longest cell, two spaces apart; the columns in `right` are flush right."""
    cells = [[str(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:]])


def papers_table(rows: Sequence[Row], *, stale: Collection[str] = (), width: int = 120) -> str:
    """One line a paper, then the counts. `stale`: keys whose records were measured with earlier parts."""
    verdicts = [verdict_in_words(row, stale=row["key"] in stale) for row in rows]
    fixed = [max([len(str(row[name])) for row in rows] + [6]) for name in ("key", "wing", "status")]
    room = max(10, width - sum(fixed) - max(map(len, [*verdicts, "verdict"])) - 8)
    cells = [
        (row["key"], _cut(row["title"], room), row["wing"], row["status"], verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
    ]
    return table(("key", "title", "wing", "status", "verdict"), cells) + "\n\n" + counts(rows, stale=stale)


def verdict_in_words(row: Row, *, stale: bool = False) -> str:
    """Such as `shown (analogue)`, with a star where it was measured with earlier parts; empty where nothing is measured."""
    if row["verdict"] is None:
        return ""
    weak = ", underpowered" if row["underpowered"] else ""
    return f"{row['verdict']} ({row['basis']}{weak})" + (" *" if stale else "")


def counts(rows: Sequence[Row], *, stale: Collection[str] = ()) -> str:
    """How many papers, how many are built, and the verdicts with the three bases counted apart.

    An underpowered record counts as not measured.
    """
    listed = [row for row in rows if row["id"] is not None]
    reading = sum(row["status"] == "reading" for row in listed)
    built = sum(row["status"] == "built" for row in listed)
    lines = [
        f"{len(listed)} papers: {len(listed) - reading} methods ({built} built), {reading} for reading. "
        f"{len(rows) - len(listed)} baselines beside them."
    ]
    measured = [row for row in rows if row["verdict"] and not row["underpowered"]]
    for verdict in ("shown", "inconclusive", "contradicted"):
        by_basis = Counter(row["basis"] for row in measured if row["verdict"] == verdict)
        if by_basis:
            apart = ", ".join(
                f"{by_basis[basis]} {basis}" for basis in ("paper", "analogue", "ours") if by_basis[basis]
            )
            lines.append(f"{verdict}: {sum(by_basis.values())} ({apart})")
    if weak := sum(bool(row["underpowered"]) for row in rows):
        lines.append(f"underpowered, so not counted as measured: {weak}")
    if stale:
        lines.append(f"* measured with earlier parts: {len(stale)} (pilothouse reproduce --stale)")
    return "\n".join(lines)


def show_text(shown: Row, *, stale: bool = False) -> str:
    """One paper or baseline in full; `shown` is what `catalogue.show` returns."""
    head = f"{shown['key']}: {shown['title']}\nwing {shown['wing']}, {shown['status']}"
    blocks = [head, shown["doc"]]
    if shown["settings"]:
        cells = [
            (name, s["default"], s["type"], s["range"] or ", ".join(map(str, s["choices"])))
            for name, s in shown["settings"].items()
        ]
        blocks.append(table(("setting", "default", "type", "range"), cells))
    if shown["parts"]:
        blocks.append(
            table(
                ("part", "made as", "trained by", "written by"),
                [part_in_words(*part) for part in shown["parts"].items()],
            )
        )
    if shown["record"]:
        note = "Measured with earlier parts: pilothouse reproduce --stale measures again.\n" if stale else ""
        blocks.append(note + record_table(shown["record"]))
    elif shown["claim"]:
        claim = shown["claim"]
        blocks.append(
            f"Claim ({claim['basis']}): {claim['statement']}\nNot measured yet: pilothouse reproduce {shown['key']}"
        )
    return "\n\n".join(block for block in blocks if block)


def record_table(record: Row) -> str:
    """A record: the claim, every arm with its seeds as dots, every relation, the verdict."""
    seeds = record["seeds"]
    many = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    blocks = [
        textwrap.fill(f"{record['recipe']}: {record['statement']}", 110),
        _arms_table(record),
        _relations_table(record),
        f"verdict: {verdict_in_words(record)}; {many}, {record['seconds']:g} s",
    ]
    if record["underpowered"]:
        blocks.append(
            "Too few seeds to say, so it counts as not measured. More may tell: "
            f"pilothouse reproduce {record['recipe']} --seeds 32"
        )
    return "\n\n".join(blocks)


def strip(values: Sequence[float], low: float, high: float) -> str:
    """Values as dots on a line from `low` to `high`: `·` one, `:` two, `#` more in a column."""
    counted = Counter(
        round((value - low) / (high - low) * (STRIP - 1)) if high > low else STRIP // 2 for value in values
    )
    return "".join(" ·:#"[min(counted[i], 3)] for i in range(STRIP))


def _arms_table(record: Row) -> str:
    spans: dict[str, list[float]] = {}
    for arm in record["arms"].values():
        spans.setdefault(arm["unit"], []).extend(arm["per_seed"])
    cells = [
        (
            name,
            f"{arm['mean']:.4g}",
            f"{arm['iqm']:.4g}",
            interval_in_words(arm["interval"]),
            arm["unit"],
            f"|{strip(arm['per_seed'], min(spans[arm['unit']]), max(spans[arm['unit']]))}|"
            + (f" {len(arm['diverged'])} diverged" if arm["diverged"] else ""),
        )
        for name, arm in record["arms"].items()
    ]
    return table(("arm", "mean", "iqm", "95% interval", "unit", "per seed"), cells, right=(1, 2, 3))


def _relations_table(record: Row) -> str:
    cells = [
        (
            one["relation"],
            f"{one['difference']:.4g}",
            interval_in_words(one["interval"]),
            "-" if one["effect"] is None else f"{one['effect']:.4g}",
            one["verdict"] + (", underpowered" if one["underpowered"] else ""),
        )
        for one in record["relations"]
    ]
    return table(("relation", "difference", "95% interval", "paper's effect", "verdict"), cells, right=(1, 2, 3))


def interval_in_words(ends: Sequence[float | None]) -> str:
    low, high = ends
    return "not known" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"


def part_in_words(name: str, part: Row) -> tuple[str, str, str, str]:
    """The name of a part, how it is made, what trains it, what else writes it."""
    made = f"copy of {part['copy_of']}" if part["copy_of"] else "new"
    return name, made, ", ".join(part["trained_by"]) or "-", ", ".join(part["written_by"]) or "-"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
