"""Reads `metrics.jsonl` of a run folder: what each seed measured, and when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import DataError

MOST_ROWS = 2_000_000
"""Lines read at most; a file with more is read from its start and the report says so."""

Line = tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]


@dataclass(frozen=True)
class Metrics:
    """Everything that was measured in a run.

    - `lines`: name → seed → `(steps, values)`, steps ascending; values may hold NaN and infinities.
    - `timing`: name → seed → the last value; what depends on the clock.
    - `diverged`: seeds of which a line says so.
    - `damaged`: lines that are not JSON objects with a step.
    - `cut`: whether there were more than `MOST_ROWS` lines.
    """

    lines: Mapping[str, Mapping[int, Line]]
    timing: Mapping[str, Mapping[int, float]]
    diverged: frozenset[int] = frozenset()
    damaged: int = 0
    cut: bool = False

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for by_seed in self.lines.values() for seed in by_seed})


def read_metrics(path: Path) -> Metrics:
    """Reads the file line by line; lines that cannot be read are counted, not fatal: a killed run leaves a half one.

    Of several values of a seed at one step the last counts. Raises `DataError` where the file cannot be read at all.
    """
    points: dict[str, dict[int, dict[int, float]]] = {}
    timing: dict[str, dict[int, float]] = {}
    diverged: set[int] = set()
    damaged = rows = 0
    try:
        with path.open("rb") as file:
            for raw in file:
                rows += 1
                if rows > MOST_ROWS:
                    break
                if raw.strip() and not _take(raw, points, timing, diverged):
                    damaged += 1
    except OSError as fault:
        raise DataError(f"{str(path)!r} cannot be read ({fault.strerror or fault}). Check its permissions.") from fault
    lines = {name: {seed: _line(at) for seed, at in sorted(by.items())} for name, by in points.items()}
    return Metrics(lines, timing, frozenset(diverged), damaged, rows > MOST_ROWS)


def _take(
    raw: bytes,
    points: dict[str, dict[int, dict[int, float]]],
    timing: dict[str, dict[int, float]],
    diverged: set[int],
) -> bool:
    """Puts one line where it belongs; False where it is not an object with a whole step."""
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    if not isinstance(row, dict) or not _whole(row.get("step")) or not _whole(row.get("seed", 0)):
        return False
    step, seed = int(row["step"]), int(row.get("seed", 0))
    if row.get("diverged") is True:
        diverged.add(seed)
    clock = row.get("timing")
    for name, value in (clock if isinstance(clock, dict) else {}).items():
        if _numeric(value):
            timing.setdefault(name, {})[seed] = float(value)
    for name, value in row.items():
        if name not in ("step", "seed", "timing", "diverged") and (value is None or _numeric(value)):
            # JSON has no NaN: writers that keep to it put null in its place.
            points.setdefault(name, {}).setdefault(seed, {})[step] = float("nan") if value is None else float(value)
    return True


def _numeric(value: object) -> bool:
    """Numbers that fit a float; an integer of a thousand digits does not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 10**300


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18


def _line(at: Mapping[int, float]) -> Line:
    steps = sorted(at)
    return np.array(steps, np.float64), np.array([at[step] for step in steps], np.float64)
