"""From any known format to another: Minari, OGBench's `.npz`, D4RL's HDF5."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, OutputError
from pilothouse.core.spaces import DictSpace
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import episodes_of
from pilothouse.data.minari_write import write_minari


def write_dataset(path: str | Path, dataset: Dataset) -> Path:
    """Writes `path` in the format that its name says: `.npz` OGBench's, `.hdf5` or `.h5` D4RL's, `NAME-vN` Minari's.

    It appears whole or not at all.

    **Raises:** `OutputError` when it exists or cannot be written; `SettingError` for a name that says none of them;
    `DataError` for a dataset that the format has no place for.
    """
    path = Path(path).expanduser()
    writers = {".npz": _ogbench, ".hdf5": _d4rl, ".h5": _d4rl}
    if path.suffix.lower() not in writers:
        return write_minari(path, dataset)
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path}: exists already; give another name, or remove it.")
    for space in (dataset.spec.obs, dataset.spec.action):
        if isinstance(space, DictSpace):
            raise DataError(
                f"{dataset.name}: has entries {sorted(space.spaces)}, and {path.suffix} holds one array. Give --out NAME-v0, "
                "which Minari reads."
            )
    image = writers[path.suffix.lower()](dataset)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(image)
        scratch.replace(path)
    except OSError as fault:
        raise OutputError(f"{path}: could not be written ({fault.strerror or fault}). Is the disk full?") from fault
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _ogbench(dataset: Dataset) -> memoryview:
    """The layout as stored: T + 1 rows a trajectory, `terminals` on the last; and `rewards` and `masks`, 0 there."""
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("observations", "actions", "rewards", "masks")}
    lengths = dataset.lengths
    for episode in episodes_of(dataset):
        rows["observations"].append(episode.obs)
        for name, array in (("actions", episode.action), ("rewards", episode.reward)):
            rows[name] += [array, np.zeros_like(array[:1])]
        rows["masks"] += [1.0 - episode.terminated, np.ones(1)]
    arrays = {name: np.concatenate(parts) for name, parts in rows.items()}
    terminals = np.zeros(len(dataset) + len(lengths), np.float32)
    terminals[np.cumsum(lengths + 1) - 1] = 1
    image = io.BytesIO()
    np.savez_compressed(
        image, allow_pickle=False, **arrays | {"masks": arrays["masks"].astype(np.float32), "terminals": terminals}
    )
    return image.getbuffer()


def _d4rl(dataset: Dataset) -> memoryview:
    import h5py

    dataset.require("D4RL's format")
    image = io.BytesIO()
    arrays: dict[str, Any] = {
        "observations": dataset.obs,
        "actions": dataset.action,
        "rewards": dataset.reward,
        "terminals": dataset.terminated,
        "timeouts": dataset.truncated & ~dataset.terminated,
        "next_observations": dataset.next_obs,
    }
    with h5py.File(image, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        if dataset.env_id is not None:
            file.attrs["env_id"] = dataset.env_id
    return image.getbuffer()
