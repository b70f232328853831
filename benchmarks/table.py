"""Writes the table of `benchmarks/README.md` from the stored results. Standard library only."""

import json
from pathlib import Path
from typing import Any

from rows import ROWS, Row

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- results: written by run.py -->", "<!-- end of results -->"
HEAD = ("row", "work", "ours, units/s", "peer", "peer, units/s", "ratio (least to greatest)", "reach", "compile", "lag")


def shown(number: float) -> str:
    """A speed with three figures, more only where they stand before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def line(row: Row, result: dict[str, Any] | None) -> tuple[str, ...]:
    """The cells of one row; a row that was not measured says so. `compile` is ours and the peer's warm-up."""
    reach = f"≤ {row.seconds} s" if row.seconds else f"≥ {row.reach}" if row.reach else "–"
    if row.stretch:
        reach += f" (stretch {row.stretch})"
    if result is None:
        return (row.name, row.work, "not measured", row.peer_name, "", "", reach, "", "")
    ours, peer, ratio = result["ours"], result["peer"], result["ratio"]
    met = {True: " ✓", False: " ✗", None: ""}[result["met"]]
    value = f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"
    if row.seconds:
        value = f"{1 / ours['units_per_second']:.2f} s"
    compiled = f"{ours['warm_up_seconds']:.1f} / {peer['warm_up_seconds']:.1f} s"
    lag = str(ours["facts"].get("lag", "–"))
    left, right = shown(ours["units_per_second"]), shown(peer["units_per_second"])
    return (row.name, row.work, left, row.peer_name, right, value + met, reach, compiled, lag)


def machines(results: list[dict[str, Any]]) -> list[str]:
    """A line for each machine and day that the figures come from."""
    found: dict[str, list[str]] = {}
    for result in results:
        about = result["machine"]
        key = f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, {result['date']}"
        found.setdefault(key, []).append(f"{result['row']} (load before: {about['load_before']:.1f})")
    return [f"- {machine}: {', '.join(rows)}" for machine, rows in found.items()]


def write_table() -> None:
    """Replaces what stands between the two marks of the README."""
    stored = {path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("results/*.json"))}
    lines = [HEAD, tuple("---" for _ in HEAD), *(line(row, stored.get(row.name)) for row in ROWS)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    measured = "\n".join(machines([stored[row.name] for row in ROWS if row.name in stored])) or "- nothing yet"
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{before}{BEGIN}\n\n{table}\n\nMeasured on:\n\n{measured}\n\n{END}{after}"
    readme.write_text(text, encoding="utf-8")
