"""Metrics of runs as the page's script draws them: a line and a band for each run, and its seeds, thinned."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.report.charts import curve_of_runs
from pilothouse.report.metrics_file import Metrics, read_metrics
from pilothouse.report.run_report import return_name

POINTS = 400
"""Points of one seed's line at most."""
THIN_LINES = 16
"""Seeds drawn one by one at most; beyond, only the middle and its band."""


def metrics_of(run: Path) -> Metrics:
    """All metrics of a run, read again only when the file has changed. Empty where there are none yet."""
    path = run / "metrics.jsonl"
    try:
        found = path.stat()
    except OSError:
        return Metrics({}, {})
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, size: int) -> Metrics:
    del changed, size  # only so that a changed file is read again
    return read_metrics(path)


def names_of(runs: Sequence[Path]) -> list[str]:
    """The metrics that any of these runs has: returns first, then losses, then the rest."""
    found: dict[str, None] = {}
    for run in runs:
        metrics = metrics_of(run)
        first = return_name(metrics)
        found |= {first: None} if first is not None else {}
    every = {name for run in runs for name in metrics_of(run).lines}
    losses = sorted(name for name in every if "loss" in name)
    return list(dict.fromkeys([*found, *losses, *sorted(every)]))


def curve_document(name: str, label: str, run: Path) -> dict[str, Any]:
    """`{label, steps, center, low, high, seeds: [{seed, steps, values}]}` of one metric of one run, JSON numbers only."""
    by_seed = metrics_of(run).lines.get(name, {})
    curve = curve_of_runs(label, by_seed)
    seeds = [
        {"seed": seed, "steps": _numbers(steps[keep]), "values": _numbers(values[keep])}
        for seed, (steps, values) in list(by_seed.items())[:THIN_LINES]
        for keep in [_thinned(len(steps))]
    ]
    return {
        "label": label,
        "steps": _numbers(curve.steps),
        "center": _numbers(curve.center),
        "low": None if curve.low is None else _numbers(curve.low),
        "high": None if curve.high is None else _numbers(curve.high),
        "seeds": seeds if len(seeds) > 1 else [],
    }


def _thinned(length: int) -> np.ndarray:
    """Evenly spread places, the last one always among them: nothing is smoothed away, some of it is left out."""
    return (
        np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(int)) if length else np.zeros(0, int)
    )


def _numbers(array: Any) -> list[float | None]:
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in np.asarray(array, np.float64)]
