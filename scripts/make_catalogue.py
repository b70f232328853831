"""Writes src/pilothouse/catalogue/papers.json from a list of papers: python scripts/make_catalogue.py PAPERS.jsonl

One JSON object a line goes in; what the library ships of each comes out, a row a line, in the order of the ids.
"""

import json
import sys
from pathlib import Path

FIELDS = ("key", "id", "title", "wing", "kind", "fit")
SHIPPED = Path(__file__).resolve().parents[1] / "src" / "pilothouse" / "catalogue" / "papers.json"


def rows_of(lines: str) -> list[dict[str, object]]:
    """The shipped fields of every paper. Exits with a message if keys or ids repeat or a field is missing."""
    rows = [json.loads(line) for line in lines.splitlines() if line.strip()]
    for name in ("key", "id"):
        if len({row.get(name) for row in rows}) != len(rows):
            sys.exit(f"{name} is missing or repeats; expected one of its own for every paper.")
    for row in rows:
        if absent := [name for name in FIELDS if name not in row]:
            sys.exit(f"paper {row['key']!r} has no {', '.join(absent)}.")
    return [{name: row[name] for name in FIELDS} for row in sorted(rows, key=lambda row: row["id"])]


def text_of(rows: list[dict[str, object]]) -> str:
    """A JSON list with one row a line, so that a changed paper is a changed line."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = rows_of(Path(sys.argv[1]).read_text(encoding="utf-8"))
    SHIPPED.write_text(text_of(rows), encoding="utf-8")
    print(f"{len(rows)} papers written")


if __name__ == "__main__":
    main()
