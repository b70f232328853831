"""The pages about datasets: what lies in the folder, and what is in one of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilothouse.report.markup import element
from pilothouse.report.numerals import UNKNOWN, count
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
    """What is in one dataset, as `pilothouse data inspect` says it. Raises `DataError` where it cannot be read."""
    from pilothouse.data.diagnosis import diagnose
    from pilothouse.data.reading import read_dataset
    from pilothouse.report.dataset_report import dataset_page as report

    dataset = read_dataset(path)
    page = report(dataset, diagnose(dataset), source=name)
    lead = element("p", page.lead, class_="lead") if page.lead else None
    sections = (layout.section(part.title, *(block.html() for block in part.blocks)) for part in page.sections)
    return layout.page(name, lead, *sections, active="/datasets", folder=folder)
