"""Writes a dataset as Minari reads it: a folder `NAME-vN`, HDF5, one group an episode."""

import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, OutputError, SettingError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.data.dataset import Dataset, observations
from pilothouse.data.episodes import Episode, episodes_of
from pilothouse.data.files import one_line
from pilothouse.data.minari_format import DATASET_ID, METADATA
from pilothouse.data.minari_hdf5 import FILE

MINARI_VERSION = "0.5.4"
"""The version whose format this is."""
_CHUNK = 2**24
"""Bytes of a chunk at most; HDF5 itself allows 4 GiB."""


def write_minari(
    path: str | Path,
    dataset: Dataset,
    *,
    dataset_id: str | None = None,
    env_id: str | None = None,
    description: str | None = None,
    algorithm_name: str = "",
    author: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `path` (…/NAME-vN), whose `data` folder `minari.MinariDataset` opens, and returns it.

    Arrays are stored as they are, images without loss, so that `read_minari` gives the same dataset back, bit for bit.
    The folder appears whole or not at all: it is written beside its place and renamed.

    **Arguments:**
    - `dataset_id`: Minari's id, by default the folder's name; namespaces before it: `mine/hopper/medium-v0`.
    - `env_id`: a name that Gymnasium knows, by default the dataset's; other names are left out of the metadata.
    - `description`, `algorithm_name`, `author`: for the metadata; the description is by default the dataset's.
    - `metadata`: further entries, such as Minari's `ref_min_score` and `ref_max_score`; none of the above.

    **Raises:** `SettingError` for a name that is no `NAME-vN`; `OutputError` when `path` exists or cannot be written;
    `DataError` when the dataset's rows are no chains of observations, or an entry's name is a path to HDF5.
    """
    path = Path(path).expanduser()
    name = dataset_id or path.name
    if not DATASET_ID.fullmatch(name) or name.rsplit("/", 1)[-1] != path.name:
        raise SettingError(f"{path}: Minari asks for a folder NAME-vN and an id that ends in it, such as hopper-v0.")
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path}: exists already; give another name, or remove it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as fault:
        raise OutputError(f"{path}: cannot be written ({fault.strerror or fault}). Give a writable place.") from fault
    about = {**(metadata or {}), "description": description, "algorithm_name": algorithm_name, "author": list(author)}
    try:
        _fill(scratch / "data", dataset, name, env_id or dataset.env_id, about)
        scratch.chmod(0o755)  # mkdtemp makes it for its owner alone
        scratch.rename(path)
    except OSError as fault:
        raise OutputError(
            f"{path}: could not be written ({fault.strerror or one_line(fault)}). Is the disk full?"
        ) from fault
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path


def _check_names(dataset: Dataset) -> None:
    """Raises `DataError` for entries whose names are paths to HDF5: Minari would not find them again."""
    for space in (dataset.spec.obs, dataset.spec.action):
        for name in space.spaces if isinstance(space, DictSpace) else ():
            if "/" in name or name in ("", ".", ".."):
                raise DataError(
                    f"{dataset.name}: has an entry {name!r}, and Minari's files hold no name that is empty, of dots or "
                    "with a slash. Rename it with a wrapper of the environment."
                )


def _fill(folder: Path, dataset: Dataset, name: str, env_id: str | None, about: dict[str, Any]) -> None:
    _check_names(dataset)
    folder.mkdir()
    image = _encode(episodes_of(dataset))
    _write_file(folder / FILE, image)
    metadata = {
        "dataset_id": name,
        "total_episodes": dataset.episodes,
        "total_steps": len(dataset),
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": json.dumps(_describe(dataset.spec.obs, dataset.obs)),
        "action_space": json.dumps(_describe(dataset.spec.action, dataset.action)),
        "minari_version": MINARI_VERSION,
        "dataset_size": round(image.nbytes / 1e6, 1),
        **about,
        "description": dataset.description if about["description"] is None else about["description"],
        **_environment(env_id),
    }
    _write_file(folder / METADATA, json.dumps(metadata).encode())


def _write_file(path: Path, content: bytes | memoryview) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _encode(episodes: Iterable[Episode]) -> memoryview:
    """The HDF5 file, in memory: on a full disk the HDF5 library does not stop at an error, it kills the process."""
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w", track_order=True) as file:
        for index, episode in enumerate(episodes):
            group = file.create_group(f"episode_{index}")
            group.attrs["id"] = index
            group.attrs["total_steps"] = len(episode)
            if episode.seed is not None:
                group.attrs["seed"] = episode.seed
            _write_tree(group, "observations", episode.obs)
            _write_tree(group, "actions", episode.action)
            for name, array in (
                ("rewards", episode.reward),
                ("terminations", episode.terminated),
                ("truncations", episode.truncated),
            ):
                _write_tree(group, name, array)
    return image.getbuffer()


def _write_tree(group: Any, name: str, values: Any) -> None:
    if isinstance(values, dict):
        inner = group.create_group(name)
        for key, value in values.items():
            _write_tree(inner, key, value)
        return
    # Growable, because Minari appends to episodes; one chunk an episode, unless it is large.
    rows = max(1, min(len(values), _CHUNK // max(values[0].nbytes, 1)))
    shape = values.shape[1:]
    group.create_dataset(name, data=values, chunks=(rows, *shape), maxshape=(None, *shape))


def _describe(space: Space, values: Any) -> dict[str, Any]:
    """The space in Minari's words; a real box has the precision in which its numbers were recorded."""
    match space:
        case Box():
            dtype = values.dtype if space.dtype == "float32" and values.dtype.kind == "f" else np.dtype(space.dtype)
            low, high = (_bounds(bound, space, dtype) for bound in (space.low, space.high))
            return {"type": "Box", "dtype": str(dtype), "shape": list(space.shape), "low": low, "high": high}
        case Discrete():
            return {"type": "Discrete", "dtype": "int64", "start": 0, "n": space.n}
        case MultiDiscrete():
            zeros = [0] * len(space.nvec)
            return {"type": "MultiDiscrete", "dtype": "int64", "nvec": list(space.nvec), "start": zeros}
        case DictSpace():
            inner = {name: _describe(leaf, array) for name, leaf, array in observations(space, values)}
            return {"type": "Dict", "subspaces": inner}
        case _:
            raise DataError(
                f"Minari has no word for the space {space}; it takes Box, Discrete, MultiDiscrete and Dict."
            )


def _bounds(bound: float | tuple[float, ...], space: Box, dtype: np.dtype) -> Any:
    full = np.broadcast_to(np.asarray(bound, np.float64), math.prod(space.shape)).reshape(space.shape)
    if dtype.kind in "iu":
        full = np.clip(full, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    return full.tolist()


def _environment(env_id: str | None) -> dict[str, str]:
    """Minari's `env_spec`, from which it can make the environment again; nothing when Gymnasium does not know it."""
    if env_id is None:
        return {}
    import gymnasium

    known = gymnasium.registry.get(env_id)
    try:
        return {} if known is None else {"env_spec": known.to_json()}
    except TypeError:  # registered with arguments that are no JSON: Minari then stores none either
        return {}
