"""An archive of tracked runs: any folder of them is filtered, aggregated and compared from what they wrote, and no more.

A run folder says what was run (`config.json`: recipe, settings, source, seeds, versions, command) and what came of it
(`metrics.jsonl`). Nothing here trains, except `again`, which does what a config says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.errors import CheckpointError, DataError, OutputError, PilothouseError, unknown
from pilothouse.statistics import Interval, mean_interval, probability_of_improvement
from pilothouse.statistics.aggregates import interquartile_mean
from pilothouse.train.metrics import read_metrics
from pilothouse.train.run import Run, read_config, train
from pilothouse.train.sources import Source

RETURN = "evaluation/return"
DEEPEST = 4
"""Levels of folders that are looked through."""


@dataclass(frozen=True)
class Tracked:
    """One run: where it lies, its config, and for each seed `(steps, values)` of the metric that was read."""

    folder: Path
    config: Mapping[str, Any]
    curves: Mapping[int, tuple[Float[np.ndarray, " look"], Float[np.ndarray, " look"]]]

    @property
    def recipe(self) -> str:
        return str(self.config["recipe"])

    @property
    def source(self) -> str:
        """The name of what it learned from: a world, an environment or a dataset."""
        described = self.config.get("source", {})
        return str(next((described[kind] for kind in ("data", "world", "env") if kind in described), "?"))

    def value_of(self, name: str) -> Any:
        """`recipe`, `source`, a setting, or a field of the config; None where the run has no such thing."""
        if name in ("recipe", "source"):
            return getattr(self, name)
        settings = self.config.get("settings", {})
        return settings[name] if name in settings else self.config.get(name)


@dataclass(frozen=True)
class Aggregate:
    """What the seeds of some runs come to. Curves are on `steps`, each seed's last value at or before a step."""

    steps: Float[np.ndarray, " step"]
    curves: Float[np.ndarray, "seed step"]
    runs: int

    @property
    def final(self) -> Float[np.ndarray, " seed"]:
        return self.curves[:, -1]

    @property
    def iqm(self) -> float:
        return float(interquartile_mean(self.final))

    @property
    def interval(self) -> Interval:
        """Of the mean of final values, at 95%."""
        return mean_interval(self.final)


@dataclass(frozen=True)
class Archive:
    """Tracked runs. `unread` are folders that look like runs and could not be read, with why."""

    runs: tuple[Tracked, ...] = ()
    unread: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: str | Path, *, metric: str = RETURN) -> "Archive":
        """All runs in a folder and below. Raises `OutputError` where there is no such folder."""
        if not Path(root).is_dir():
            raise OutputError(f"There is no folder {str(root)!r}. Give a folder of runs.")
        runs, unread = [], {}
        for folder in _run_folders(Path(root), DEEPEST):
            try:
                runs.append(Tracked(folder, read_config(folder), _curves(folder / "metrics.jsonl", metric)))
            except (PilothouseError, OSError, UnicodeDecodeError) as fault:
                unread[folder] = str(fault)
        return cls(tuple(runs), unread)

    def where(self, **wanted: Any) -> "Archive":
        """The runs of which all these hold: `recipe`, `source`, settings, fields of the config.

        Raises `UnknownNameError` for a name that no run has.
        """
        for name in wanted:
            if self.runs and all(run.value_of(name) is None for run in self.runs):
                known = {key for run in self.runs for key in (*run.config.get("settings", {}), *run.config)}
                raise unknown("field of the runs", name, sorted({"recipe", "source", *known}))
        return Archive(
            tuple(run for run in self.runs if all(run.value_of(name) == value for name, value in wanted.items())),
            self.unread,
        )

    def by(self, *names: str) -> dict[tuple[Any, ...], "Archive"]:
        """The runs in groups that agree on these, in order of their names."""
        groups: dict[tuple[Any, ...], list[Tracked]] = {}
        for run in self.runs:
            groups.setdefault(tuple(_plain(run.value_of(name)) for name in names), []).append(run)
        return {key: Archive(tuple(groups[key])) for key in sorted(groups, key=str)}

    def aggregate(self, points: int = 50) -> Aggregate:
        """All seeds of all these runs, on `points` steps up to the last that every seed reached.

        Raises `DataError` where no run has measured anything.
        """
        curves = [curve for run in self.runs for curve in run.curves.values() if len(curve[0])]
        if not curves:
            raise DataError("None of these runs has measured a return; nothing can be aggregated.")
        begins, ends = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
        if begins > ends:
            raise DataError("These runs have no steps in common; aggregate runs of one length.")
        grid = np.linspace(begins, ends, points) if points > 1 else np.array([ends])
        rows = [values[np.searchsorted(steps, grid, side="right") - 1] for steps, values in curves]
        return Aggregate(grid, np.stack(rows), len(self.runs))


def compare(one: Aggregate, other: Aggregate) -> float:
    """The probability that a seed of the first ends higher than a seed of the other."""
    return probability_of_improvement(one.final, other.final)


def again(
    run: Tracked,
    source: Source | Callable[[str], Source],
    out: str | Path,
    *,
    tell: Callable[[str], None] | None = None,
) -> Run:
    """Does what the run's config says, in another folder. `source` is what it learned from, or finds it by its name.

    Raises whatever `train` raises; `CheckpointError` for a config that says too little.
    """
    config = run.config
    try:
        made = load_recipe(config["recipe"])(**config["settings"])
        how = {name: config[name] for name in ("seeds", "seed", "episodes", "evaluations", "schedule")}
        lengths = {name: config.get(name) for name in ("steps", "online_steps")}
    except KeyError as fault:
        raise CheckpointError(f"{run.folder}/config.json does not say its {fault}; it cannot be run again.") from None
    place = source(run.source) if callable(source) and not isinstance(source, Source) else source
    return train(made, place, **lengths, **how, out=out, tell=tell)  # pyright: ignore[reportArgumentType]


def _run_folders(root: Path, levels: int) -> Iterator[Path]:
    if (root / "config.json").is_file() and (root / "metrics.jsonl").is_file():
        yield root
    elif levels:
        for below in sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink()):
            yield from _run_folders(below, levels - 1)


def _curves(path: Path, metric: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each seed, steps in order and the finite values there."""
    found: dict[int, dict[int, float]] = {}
    for row in read_metrics(path):
        seed, step, value = (row.get(name) if isinstance(row, dict) else None for name in ("seed", "step", metric))
        if isinstance(seed, int) and isinstance(step, int):
            at = found.setdefault(seed, {})
            if isinstance(value, int | float) and np.isfinite(value):
                at[step] = float(value)
    return {
        seed: (np.array(sorted(at), np.float64), np.array([at[step] for step in sorted(at)], np.float64))
        for seed, at in sorted(found.items())
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
