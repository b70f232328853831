"""What lies in the folder that is looked into: runs, reports and datasets, found quickly and named safely.

A name is a path relative to the folder, with forward slashes. Only what `scan` found can be opened, so that no name
reaches outside; links are not followed.
"""

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pilothouse.core.errors import DataError, OutputError
from pilothouse.report.run_report import source_name

DEEPEST = 4
"""Levels of folders that are looked through."""
MOST_FOLDERS = 20_000
"""Folders looked through at most; a folder with more is shown in part, and says so."""
TAIL = 96_000
"""Bytes of `metrics.jsonl` that are read for a run's summary: its last lines."""
RECENT = 64
"""Lines at the end of `metrics.jsonl` that are read whatever they hold; before them, only those with a return."""
RETURN = "evaluation/return"
_MEASURED = b'"evaluation/return"'
_INSIDE_A_RUN = {"checkpoints", "policy", "replay", "episodes"}


@dataclass(frozen=True)
class RunSummary:
    """A line of the list of runs. `state` is running, finished or stopped; `returns` is the last return of each seed."""

    name: str
    recipe: str
    source: str
    seeds: int
    step: int
    planned: int | None
    state: str
    returns: tuple[float, ...]
    diverged: int
    changed: float
    """When `metrics.jsonl` last grew, seconds since the epoch."""
    damaged: str = ""

    @property
    def mean_return(self) -> float | None:
        return sum(self.returns) / len(self.returns) if self.returns else None


@dataclass(frozen=True)
class Found:
    """Everything in a folder: runs (newest first), pages written by other commands, datasets, and whether it was cut."""

    runs: tuple[RunSummary, ...] = ()
    reports: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    cut: bool = False
    seconds: float = field(default=0.0, compare=False)


class Folder:
    """A folder of runs. Raises `OutputError` where there is none."""

    def __init__(self, root: Path | str):
        self.root = Path(root).absolute()
        if not self.root.is_dir():
            raise OutputError(f"There is no folder {str(root)!r} to view. Give a folder of runs, or train one first.")

    def scan(self) -> Found:
        """Looks through the folder, reading little of each run and nothing twice that has not changed."""
        start = time.perf_counter()
        runs: list[RunSummary] = []
        reports, datasets = [], []
        cut, left = False, MOST_FOLDERS
        waiting = [(self.root, 0)]
        while waiting:
            place, depth = waiting.pop()
            left -= 1
            if left < 0:
                cut = True
                break
            names, folders = _entries(place)
            if "config.json" in names and ("metrics.jsonl" in names or "checkpoints" in folders):
                runs.append(self._summary(place))
                continue
            if _is_dataset(place, names, folders):
                datasets.append(self.name_of(place))
                continue
            reports += [self.name_of(place / name) for name in sorted(names) if name.endswith(".html")]
            if depth < DEEPEST:
                waiting += [(place / name, depth + 1) for name in folders if name not in _INSIDE_A_RUN]
        runs.sort(key=lambda run: (-run.changed, run.name))
        return Found(tuple(runs), tuple(sorted(reports)), tuple(sorted(datasets)), cut, time.perf_counter() - start)

    def name_of(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path != self.root else "."

    def inside(self, name: str) -> Path:
        """The path of a name. Raises `DataError` for one that leaves the folder, by dots, a slash or a link."""
        parts = name.split("/")
        safe = name == "." or (
            name and not any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)
        )
        path = self.root / name if safe else self.root
        if not safe or not path.resolve().is_relative_to(self.root.resolve()):
            raise DataError(f"{name!r} is not within the folder that is viewed.")
        return path

    def run(self, name: str) -> tuple[Path, RunSummary]:
        """A run by name. Raises `DataError` where there is none."""
        path = self.inside(name)
        if not (path / "config.json").is_file():
            raise DataError(f"There is no run {name!r} here.")
        return path, self._summary(path)

    def _summary(self, place: Path) -> RunSummary:
        return summarise(place, self.name_of(place))


def _entries(place: Path) -> tuple[set[str], list[str]]:
    """Names of files, and of folders that are not hidden and no links."""
    try:
        with os.scandir(place) as found:
            entries = list(found)
    except OSError:
        return set(), []
    files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    folders = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    return files, sorted(folders)


def _is_dataset(place: Path, names: set[str], folders: list[str]) -> bool:
    """A Minari dataset: a folder whose `data/` holds its metadata."""
    return "data" in folders and "config.json" not in names and (place / "data" / "metadata.json").is_file()


def summarise(place: Path, name: str) -> RunSummary:
    """One run's line, from its config and the last lines of its metrics."""
    config_mark, metrics_mark = _mark(place / "config.json"), _mark(place / "metrics.jsonl")
    recipe, source, seeds, planned, damaged = _config_facts(place / "config.json", config_mark)
    step, returns, diverged = _tail_facts(place / "metrics.jsonl", metrics_mark)
    if is_running(place):
        state = "running"
    else:
        state = "finished" if planned is not None and step >= planned else "stopped"
    changed = (metrics_mark or config_mark or (0, 0))[0] / 1e9
    return RunSummary(name, recipe, source, seeds, step, planned, state, returns, diverged, changed, damaged)


def is_running(place: Path) -> bool:
    """Whether a process holds the run's lock."""
    try:
        with open(place / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=20_000)
def _config_facts(path: Path, mark: tuple[int, int] | None) -> tuple[str, str, int, int | None, str]:
    del mark  # only so that a changed file is read again
    config = read_config(path)
    if config is None:
        return path.parent.name, "", 0, None, "its config.json cannot be read"
    plan = config.get("plan")
    planned = plan.get("steps") if isinstance(plan, dict) else None
    seeds = config.get("seeds")
    return (
        str(config.get("recipe") or path.parent.name)[:80],
        Path(source_name(config)).name[:120],
        seeds if isinstance(seeds, int) else 0,
        planned if isinstance(planned, int) else None,
        "",
    )


def read_config(path: Path) -> dict[str, Any] | None:
    """The config of a run, or None where it is no JSON object."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


@lru_cache(maxsize=20_000)
def _tail_facts(path: Path, mark: tuple[int, int] | None) -> tuple[int, tuple[float, ...], int]:
    """The last step, the last return of each seed, and how many seeds diverged."""
    if mark is None:
        return 0, (), 0
    newest: dict[int, dict[str, Any]] = {}
    returns: dict[int, float] = {}
    try:
        with path.open("rb") as file:
            for amount in (TAIL // 16, TAIL):
                file.seek(max(0, mark[1] - amount))
                newest, returns = _last_of_each_seed(file.read(amount).splitlines())
                if newest.keys() == returns.keys() and newest:
                    break
    except OSError:
        return 0, (), 0
    step = max((row["step"] for row in newest.values()), default=0)
    diverged = sum(row["diverged"] is True for row in newest.values())
    return step, tuple(returns[seed] for seed in sorted(returns)), diverged


def _last_of_each_seed(lines: list[bytes]) -> tuple[dict[int, dict[str, Any]], dict[int, float]]:
    """The newest line of each seed and its last return, read backwards as far as is needed."""
    newest: dict[int, dict[str, Any]] = {}
    returns: dict[int, float] = {}
    for place, raw in enumerate(reversed(lines)):
        if place >= RECENT and _MEASURED not in raw:
            continue
        row = _row(raw)
        if row is None:
            continue
        seed = row["seed"]
        if seed in newest and newest.keys() == returns.keys():
            break  # a whole step of all seeds has been seen, and a return of each
        told = newest.setdefault(seed, row)
        told["diverged"] = told.get("diverged") is True or row.get("diverged") is True
        if _finite(row.get(RETURN)):
            returns.setdefault(seed, float(row[RETURN]))
    return newest, returns


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _row(raw: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int or type(row.setdefault("seed", 0)) is not int:
        return None
    return row
