"""The commands below `pilothouse data`: each parses nothing, calls one function, and says what came of it."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

Say = Callable[[str], None]


def inspect(options: Namespace, say: Say) -> dict[str, Any]:
    """What is in a dataset, what is wrong with it, and which methods it suits; with `--out` as a page as well."""
    from pilothouse.core.plain import plain
    from pilothouse.core.spaces import to_json
    from pilothouse.data.diagnosis import diagnose
    from pilothouse.data.reading import read_dataset
    from pilothouse.data.references import read_references
    from pilothouse.report.dataset_report import dataset_text, write_dataset_report

    dataset = read_dataset(options.path, columns=columns_of(options))
    reference = None if options.reference is None else read_dataset(options.reference, columns=columns_of(options))
    found = diagnose(dataset, references=read_references(options.path), reference_data=reference)
    for line in dataset_text(dataset, found):
        say(line)
    report = None
    if options.out is not None:
        report = write_dataset_report(Path(options.out) / "report.html", dataset, found, source=options.path)
        say(f"report: {report}")
    return {
        "name": dataset.name,
        "env": dataset.env_id,
        "fingerprint": dataset.fingerprint,
        "spec": {"obs": to_json(dataset.spec.obs), "action": to_json(dataset.spec.action)},
        **plain(dict(found.numbers)),
        "diagnosis": found.to_json(),
        "report": None if report is None else str(report),
    }


def record_suite(options: Namespace, say: Say) -> dict[str, Any]:
    """Records the offline suite; what is there already is kept."""
    from pilothouse.evaluate import suite

    size = suite.SIZE if options.size is None else options.size
    rows = suite.record_suite(options.out, size=size, sets=options.sets, train=options.train, tell=say)
    say(f"{len(rows)} sets in {Path(options.out).resolve()}")
    return {"out": options.out, "sets": rows}


def convert(options: Namespace, say: Say) -> dict[str, Any]:
    """Writes a dataset of any known format in the one that the name of `--out` says."""
    from pilothouse.data.reading import read_dataset
    from pilothouse.data.writing import write_dataset

    dataset = read_dataset(options.path, columns=columns_of(options), images=options.images)
    write_dataset(options.out, dataset)
    say(f"{len(dataset)} transitions in {dataset.episodes} episodes: {options.out}")
    counts = {"transitions": len(dataset), "episodes": dataset.episodes}
    return {"out": options.out, **counts, "fingerprint": dataset.fingerprint}


def columns_of(options: Namespace) -> dict[str, list[str]] | None:
    """The column map that was typed, if any."""
    from pilothouse.data.tables import parse_columns

    return parse_columns(options.columns) if options.columns else None
