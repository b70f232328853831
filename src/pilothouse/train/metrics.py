"""Metrics of a run: one JSON object a line, always; other trackers by one small protocol."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pilothouse.core.errors import MissingExtraError, SettingError
from pilothouse.train.storage import explain


@runtime_checkable
class Tracker(Protocol):
    """Somewhere that metrics go besides the run folder. It is made when it can be used, or says why it cannot."""

    def write(self, step: int, seed: int, values: Mapping[str, float]) -> None:
        """What is finite among the metrics of one seed at one step."""
        ...

    def close(self) -> None: ...


class MetricsFile:
    """`metrics.jsonl`: `{"step", "seed", name: number, …, "timing": {…}}`. What depends on the clock is under `timing`.

    A number that is not finite is written as null: no JSON reader agrees on NaN.
    """

    def __init__(self, path: Path):
        self.path = path

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def cut(self, size: int) -> None:
        """Back to what a checkpoint counted; what came after it will come again."""
        if self.path.exists():
            os.truncate(self.path, size)

    def append(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps({k: _plain(v) for k, v in line.items()}, allow_nan=False) + "\n" for line in lines)
        try:
            with open(self.path, "a") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise explain(fault, self.path) from fault


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All lines; a last line cut short by a crash is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


class TensorBoard:
    """Scalars for TensorBoard, one event file a seed under `tensorboard/` of the run folder."""

    def __init__(self, folder: Path, seeds: Sequence[int]):
        try:
            from tensorboard.summary import Writer  # pyright: ignore[reportMissingImports]
        except ImportError as missing:
            raise MissingExtraError("Tracking to TensorBoard", "tensorboard") from missing
        self._writers = {seed: Writer(str(folder / "tensorboard" / f"seed-{seed}")) for seed in seeds}

    def write(self, step: int, seed: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writers[seed].add_scalar(name, value, step)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class WeightsAndBiases:
    """Scalars for W&B, one run a seed, grouped under the run folder's name. `WANDB_MODE=offline` needs no account."""

    def __init__(self, folder: Path, seeds: Sequence[int]):
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError as missing:
            raise MissingExtraError("Tracking to W&B", "wandb") from missing
        shared: dict[str, Any] = {
            "project": "pilothouse",
            "group": folder.name,
            "dir": str(folder),
            "reinit": "create_new",
        }
        shared["settings"] = wandb.Settings(silent=True, console="off")
        try:
            self._runs = {seed: wandb.init(name=f"{folder.name}-seed-{seed}", **shared) for seed in seeds}
        except wandb.Error as fault:
            raise SettingError(
                f"W&B does not begin: {fault} Or keep it on this machine: WANDB_MODE=offline."
            ) from fault

    def write(self, step: int, seed: int, values: Mapping[str, float]) -> None:
        self._runs[seed].log(dict(values), step=step)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()


def trackers(names: Sequence[str], folder: Path, seeds: Sequence[int]) -> list[Tracker]:
    """The trackers of these names (`tensorboard`, `wandb`), ready to write."""
    known = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}
    for name in names:
        if name not in known:
            raise SettingError(f"Unknown tracker {name!r}; expected one of {', '.join(known)}.")
    return [known[name](folder, seeds) for name in dict.fromkeys(names)]
