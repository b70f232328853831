"""The pages about datasets: what lies in the folder, and what is in one of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilothouse.core.errors import DataError
from pilothouse.report.charts import NARROW, WIDE, Group, histogram
from pilothouse.report.markup import Markup, element
from pilothouse.report.numerals import UNKNOWN, count, number
from pilothouse.report.view import layout


def datasets_page(found: Sequence[tuple[str, Path]], folder: str) -> str:
    """A list of datasets with what their metadata says; nothing of their rows is read."""
    if not found:
        empty = element(
            "div",
            element("p", "There are no datasets in this folder. Record one:"),
            element("pre", element("code", "pilothouse record RUN --env ID --steps 10000 --out data/mine-v0")),
            class_="empty",
        )
        return layout.page("Datasets", empty, active="/datasets", folder=folder)
    rows = []
    for name, path in found:
        facts = _metadata(path)
        link = element("a", name, href=layout.address("/dataset", {"name": name}))
        rows.append(
            [
                link,
                _whole(facts.get("total_episodes")),
                _whole(facts.get("total_steps")),
                str(facts.get("dataset_id") or UNKNOWN)[:80],
            ]
        )
    table = layout.table("Datasets of this folder", ["Dataset", "Episodes", "Steps", "Identity"], rows)
    return layout.page(
        "Datasets",
        element("p", f"{count(len(found), 'dataset')}.", class_="lead"),
        table,
        active="/datasets",
        folder=folder,
    )


def _metadata(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads((path / "data" / "metadata.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _whole(value: Any) -> str:
    return f"{int(value):,}" if isinstance(value, int | float) and value == value and abs(value) < 1e15 else UNKNOWN


def dataset_page(name: str, path: Path, folder: str) -> str:
    """What is in one dataset. Raises `DataError` where it cannot be read."""
    from pilothouse.data.minari_format import read_minari

    dataset = read_minari(path)
    if not len(dataset):
        raise DataError(f"{name} holds no transitions.")
    summary = dataset.summary()
    rows = [[key.replace("_", " "), number(value)] for key, value in summary.items()]
    spaces = [["observations", str(dataset.spec.obs)], ["actions", str(dataset.spec.action)]]
    group = [Group(name, dataset.returns)]
    draw = (
        element(
            "div",
            histogram(group, x_label="return of an episode", describe="Returns of the episodes", width=width),
            class_=class_,
        )
        for width, class_ in ((WIDE, "wide"), (NARROW, "narrow"))
    )
    shown: list[Markup | None] = [
        element("p", dataset.description, class_="lead") if dataset.description else None,
        layout.section("Returns", element("figure", *draw)),
        layout.section("In numbers", layout.table("Summary", ["Measure", "Value"], rows)),
        layout.section("Spaces", layout.table("What is observed and done", ["Space", "As recorded"], spaces)),
        layout.section("What to learn from it", element("pre", element("code", f"pilothouse data inspect {name}"))),
    ]
    return layout.page(name, *shown, active="/datasets", folder=folder)
