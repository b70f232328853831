"""Writes docs/recipes/, a page for each recipe, and the tables of docs/index.md.

    python scripts/make_docs.py            writes what is stale, and removes pages of recipes that are gone
    python scripts/make_docs.py --check    writes nothing; exits 1 and names the pages that are stale

A page is made of the recipe's docstring, settings, parts, claim and record. Whether a record was measured with earlier
parts stands in no page, or every change of a part would make pages stale.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilothouse.catalogue import catalogue, tables
from pilothouse.catalogue.shelf import Shelf, checkout, shelf

BEGIN, END = "<!-- recipes: written by scripts/make_docs.py -->", "<!-- end of recipes -->"
BASES = {
    "paper": "measured on the paper's own kind of task",
    "analogue": "measured on a stand-in: the paper speaks of a large model, people, robots or data that we do not have",
    "ours": "the paper makes no claim that can be measured, so we state one",
}
WRITTEN_FROM = {"paper": "the paper", "code": "the authors' code", "abstract": "the abstract alone"}
TRAIN = {
    "data": "pilothouse train {} --data ./my-dataset",
    "continued": "pilothouse train {} --data ./my-dataset --env MyEnvironment-v0 --online-steps 20000",
    "pairs": "pilothouse train {} --data ./my-pairs",
    "world": "pilothouse train {} --world {}",
    "text": "pilothouse train {} --world arithmetic",
}
WORLDS = {"Box": "pendulum", "Discrete": "cartpole"}
CALLS = {
    "Transform": "policy = {made}.build(place.spec)(policy)",
    "Estimator": "numbers = {made}.build(dataset.spec)(dataset)",
    "Explainer": "explanation = {made}.build(place.spec)(policy, observations)",
    "Watcher": "seen = watch(policy, place, episodes=100, seed=0)\nexplanation = {made}.build(place.spec)(policy, seen)",
    "Benchmark": "numbers = {made}.build(TEXT)(subject)",
}
"""How what a recipe makes is called, where that is no algorithm."""
IMPORTS = {
    "Watcher": "from pilothouse.explain.watched import watch\n",
    "Benchmark": "from pilothouse.evaluate.benchmark import TEXT\n",
}

Row = dict[str, Any]


def page(key: str, *, on: Shelf, docs: Path) -> str:
    """The page of one recipe, as Markdown."""
    shown = catalogue.show(key, on=on)
    blocks = [f"# {key}", f"**{shown['title']}**" if shown["id"] is not None else "", shown["doc"], _usage(key, on)]
    if shown["settings"]:
        cells = [
            (f"`{name}`", f"`{s['default']}`", s["type"], s["range"] or ", ".join(map(str, s["choices"])))
            for name, s in shown["settings"].items()
        ]
        blocks += ["## Settings", _table(("setting", "default", "type", "range"), cells)]
    if shown["parts"]:
        blocks += ["## Parts", _table(("part", "made as", "trained by", "written by"), _parts(shown["parts"]))]
    if shown["claim"]:
        blocks += _claim(shown["claim"])
        blocks += _record(key, shown["record"], on=on, docs=docs)
    return "\n\n".join(block for block in blocks if block) + "\n"


def index(text: str, *, on: Shelf) -> str:
    """The hand-written index with the part between its two marks written anew. Exits where the marks are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"docs/index.md needs these two lines, once each, for its tables:\n{BEGIN}\n{END}")
    rows = catalogue.papers(on=on)
    built = [row for row in rows if row["status"] == "built"]
    cells = [(f"[{row['key']}](recipes/{row['key']}.md)", row["title"], row["wing"], _verdict(row)) for row in built]
    parts = [
        f"```text\n{tables.counts(rows)}\n```",
        _table(
            ("wing", "methods", "built", "shown (paper)", "shown (analogue)", "shown (ours)", "other verdicts"),
            _wings(rows),
        ),
        "Built so far; a dash says that nothing is claimed or measured yet:",
        _table(("recipe", "title", "wing", "verdict"), cells),
    ]
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + after


def pages(*, on: Shelf, docs: Path) -> dict[Path, str]:
    """Every file that this script writes, with its text."""
    made = {docs / "recipes" / f"{key}.md": page(key, on=on, docs=docs) for key in on.modules()}
    front = docs / "index.md"
    return {front: index(front.read_text(encoding="utf-8"), on=on), **made}


def stale(made: dict[Path, str], docs: Path) -> list[Path]:
    """The files that are not as they should be: missing, different, or of no recipe."""
    wrong = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return wrong + sorted(path for path in (docs / "recipes").glob("*.md") if path not in made)


def write(made: dict[Path, str], wrong: Sequence[Path]) -> None:
    for path in wrong:
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
        else:
            path.unlink()


def _usage(key: str, on: Shelf) -> str:
    """The commands that use a recipe."""
    module = catalogue.load_module(key, on=on)
    lines = []
    if (made := catalogue.registered(key)) is not None and made.makes == "Algorithm" and made.takes is not None:
        lines.append(TRAIN[made.takes.source].format(key, WORLDS.get(made.takes.action[0], "cartpole")))
    if getattr(module, "CLAIM", None) is not None:
        lines.append(f"pilothouse reproduce {key}")
    shell = "```sh\n" + "\n".join(lines) + "\n```" if lines else ""
    if made is None or made.makes not in CALLS:
        return shell
    call = f"import pilothouse\n{IMPORTS.get(made.makes, '')}\n" + CALLS[made.makes].format(
        made=f'pilothouse.recipe("{key}")'
    )
    return f"{shell}\n\n<!-- not run: what it is given is yours -->\n\n```python\n{call}\n```"


def _claim(claim: Row) -> list[str]:
    blocks = [
        "## Claim",
        claim["statement"],
        f"Basis: {claim['basis']} ({BASES[claim['basis']]}). Written from {WRITTEN_FROM[claim['source']]}.",
        "Asserted: " + "; ".join(f"`{relation}`" for relation in claim["relations"]) + ".",
        claim["notes"],
    ]
    arms = dict.fromkeys([*claim["settings"], *claim["tried"]])
    cells = [(arm, _code(claim["settings"].get(arm)), _list(claim["tried"].get(arm, ()))) for arm in arms]
    return blocks + ([_table(("arm", "settings", "tried"), cells)] if cells else [])


def _record(key: str, record: Row | None, *, on: Shelf, docs: Path) -> list[str]:
    if record is None:
        return ["## Record", f"Not measured yet: `pilothouse reproduce {key}`."]
    plot = Path(os.path.relpath(on.record(key).with_suffix(".svg"), docs / "recipes")).as_posix()
    arms = [
        (
            name,
            f"{arm['mean']:.4g}",
            f"{arm['iqm']:.4g}",
            tables.interval_in_words(arm["interval"]),
            arm["unit"],
            len(arm["diverged"]),
        )
        for name, arm in record["arms"].items()
    ]
    relations = [
        (
            f"`{one['relation']}`",
            f"{one['difference']:.4g}",
            tables.interval_in_words(one["interval"]),
            _effect(one),
            _judged(one),
        )
        for one in record["relations"]
    ]
    machine, versions = record["machine"], record["versions"]
    return [
        "## Record",
        f"**{tables.verdict_in_words(record)}**",
        f"![{key}: every seed, mean and 95% interval of each arm]({plot})",
        _table(("arm", "mean", "IQM", "95% interval", "unit", "diverged"), arms),
        _table(("relation", "difference", "95% interval", "paper's effect", "verdict"), relations),
        f"Seeds {record['seeds'][0]} to {record['seeds'][-1]}, {record['seconds']:g} s on {machine['cores']} cores of "
        f"{machine['processor']}; Python {versions['python']}, JAX {versions.get('jax', 'not installed')}. "
        f"Measured by `{record['command']}`.",
    ]


def _wings(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """Per wing: methods, those built, verdicts shown by basis, other verdicts. An underpowered one is not counted."""
    cells: list[tuple[object, ...]] = []
    for wing in sorted({row["wing"] for row in rows} - {catalogue.READING}):
        papers = [row for row in rows if row["wing"] == wing and row["id"] is not None]
        counted = Counter(
            (row["verdict"], row["basis"]) for row in papers if row["verdict"] and not row["underpowered"]
        )
        shown = [counted["shown", basis] for basis in BASES]
        built = sum(row["status"] == "built" for row in papers)
        cells.append((wing, len(papers), built, *shown, counted.total() - sum(shown)))
    return cells


def _verdict(row: Row) -> str:
    return tables.verdict_in_words(row) or "-"


def _parts(parts: Row) -> list[tuple[str, ...]]:
    return [(f"`{name}`", *rest) for name, *rest in (tables.part_in_words(*part) for part in parts.items())]


def _effect(relation: Row) -> str:
    return "-" if relation["effect"] is None else f"{relation['effect']:.4g}"


def _judged(relation: Row) -> str:
    return relation["verdict"] + (", underpowered" if relation["underpowered"] else "")


def _code(value: object) -> str:
    return "-" if value in (None, {}) else f"`{value}`"


def _list(values: Sequence[object]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "-"


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [[str(cell).replace("|", "\\|") for cell in row] for row in [headers, *rows]]
    lines.insert(1, ["---"] * len(headers))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str]) -> int:
    if unknown := set(arguments) - {"--check"}:
        sys.exit(f"{', '.join(sorted(unknown))} is not known.\n{__doc__}")
    root = checkout()
    if root is None:
        sys.exit("This runs in a checkout, with the package installed from it.")
    docs = root / "docs"
    made = pages(on=shelf(), docs=docs)
    wrong = stale(made, docs)
    names = ", ".join(str(path.relative_to(root)) for path in wrong)
    if "--check" in arguments:
        print(f"stale: {names}. Run: make docs" if wrong else f"{len(made)} pages are as they should be")
        return 1 if wrong else 0
    write(made, wrong)
    print(f"written: {names}" if wrong else f"{len(made)} pages were as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
