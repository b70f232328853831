"""Minari datasets, read once into a `Dataset`: where they lie, what their metadata say.

A Minari dataset is a folder `NAME-vN` whose `data` folder holds `metadata.json` and the episodes, in HDF5 (one group
an episode), Arrow or Parquet (one folder an episode). Each episode of T steps holds T + 1 observations.
Source: https://minari.farama.org, format of Minari 0.5. Read with h5py and pyarrow alone; nothing is ever unpickled.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, SpaceError, nearest
from pilothouse.core.gymnasium_spaces import SUPPORTED, box_of, discrete_start, from_gymnasium
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_episodes
from pilothouse.data.files import MEND, one_line, refusing

METADATA = "metadata.json"
DATASET_ID = re.compile(r"(?:[-_\w]+/)*[-_\w]+-v\d+")
"""`NAME-vN`, with namespaces before it: `mujoco/hopper/medium-v0`."""


@dataclass(frozen=True)
class Layout:
    """What the metadata say. Starts are what choices in the files count from; see `discrete_start`."""

    folder: Path
    format: str
    total: int
    steps: int | None
    spec: Spec
    obs_start: Any
    action_start: Any
    name: str
    env_id: str | None
    description: str
    jpeg: bool


def read_minari(source: str | Path) -> Dataset:
    """The whole dataset in memory, checked.

    **Arguments:** `source`: the folder of a dataset (`NAME-vN`, which holds `data`), its `data` folder, or the id of
    one that Minari has installed (`mujoco/hopper/medium-v0`). Nothing is downloaded or written.

    **Raises:** `DataError`, one line that names the file, the fault and what to do: nothing there, an empty folder,
    damaged or foreign files, spaces that are not supported, shapes at odds with the spaces, NaN or infinity, choices
    out of range, no episodes. Actions outside their bounds are counted in the summary.
    """
    layout = read_layout(data_folder(source))
    with refusing(layout.folder, f"Minari {layout.format}"):
        if layout.format == "hdf5":
            from pilothouse.data.minari_hdf5 import read_episodes
        else:
            from pilothouse.data.minari_arrow import read_episodes
        return dataset_from_episodes(
            read_episodes(layout),
            layout.spec,
            name=layout.name,
            env_id=layout.env_id,
            description=layout.description,
            where=str(layout.folder),
            expected=layout.steps,
        )


def data_folder(source: str | Path) -> Path:
    """The folder that holds `metadata.json`.

    **Raises:** `DataError` when `source` is neither the folder of a Minari dataset nor the id of an installed one.
    """
    path = Path(source).expanduser()
    if not path.exists():
        return _installed(str(source))
    if path.is_file():
        raise DataError(f"{path}: is a file; give the folder of the Minari dataset, which holds data/{METADATA}.")
    for folder in (path / "data", path):
        if (folder / METADATA).is_file():
            return folder
    what = "is empty" if not any(path.iterdir()) else f"holds neither data/{METADATA} nor {METADATA}"
    raise DataError(f"{path}: is not a Minari dataset, it {what}. Give the folder NAME-vN of a Minari dataset.")


def _installed(name: str) -> Path:
    root = Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")
    if DATASET_ID.fullmatch(name):
        folder = root / name / "data"
        if (folder / METADATA).is_file():
            return folder
        known = [str(found.parent.parent.relative_to(root)) for found in root.glob(f"**/data/{METADATA}")]
        hint = nearest(name, known) or f" Give a folder, or run: minari download {name}"
        raise DataError(f"{name}: no such file or folder, and no Minari dataset of that id in {root}.{hint}")
    raise DataError(
        f"{name}: no such file or folder. Give the folder of a Minari dataset, or the id of an installed one."
    )


def read_layout(folder: Path) -> Layout:
    """What `metadata.json` says. Raises `DataError` when it is damaged or describes spaces that are not supported."""
    file = folder / METADATA
    metadata = read_metadata(file)
    form, total = metadata.get("data_format", "hdf5"), metadata.get("total_episodes")
    if form not in ("hdf5", "arrow", "parquet"):
        raise DataError(f"{file}: has the data format {form!r}; supported: hdf5, arrow, parquet. {MEND}")
    if isinstance(total, bool) or not isinstance(total, int) or total < 0:
        raise DataError(f"{file}: has {total!r} as `total_episodes`, expected a whole number. {MEND}")
    steps = metadata.get("total_steps")
    env_id = _env_id(metadata.get("env_spec"))
    (obs, obs_start), (action, action_start) = (
        _space(file, name, metadata.get(name), env_id) for name in ("observation_space", "action_space")
    )
    fallback = folder.parent.name if folder.name == "data" else folder.name
    return Layout(
        folder=folder,
        format=form,
        total=total,
        steps=int(steps) if isinstance(steps, int) and 0 < steps < 2**31 else None,
        spec=Spec(obs, action),
        obs_start=obs_start,
        action_start=action_start,
        name=str(metadata.get("dataset_id") or fallback),
        env_id=env_id,
        description=str(metadata.get("description") or ""),
        jpeg=bool(metadata.get("jpeg_encoding", True)),
    )


def read_metadata(file: Path) -> dict[str, Any]:
    """All that a `metadata.json` says. Raises `DataError` when it cannot be read or is no JSON object."""
    try:
        metadata = json.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise DataError(f"{file}: cannot be read ({fault.strerror}). Give a readable Minari dataset.") from fault
    except (ValueError, RecursionError) as fault:
        raise DataError(f"{file}: is not JSON ({one_line(fault)}). {MEND}") from fault
    if not isinstance(metadata, dict):
        raise DataError(f"{file}: is a {type(metadata).__name__}, expected an object of metadata. {MEND}")
    return metadata


def _env_id(text: Any) -> str | None:
    """The environment's name, from its serialised specification; nothing else of that is used."""
    try:
        name = json.loads(text)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def _space(file: Path, name: str, described: Any, env_id: str | None) -> tuple[Space, Any]:
    try:
        if described is None:
            return _space_of_environment(file, name, env_id)
        return parse_space(json.loads(described) if isinstance(described, str) else described)
    except DataError:
        raise
    except SpaceError as fault:
        raise DataError(f"{file}: {name}: {fault}") from fault
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError, RecursionError) as fault:
        raise DataError(f"{file}: `{name}` does not describe a space ({one_line(fault)}). {MEND}") from fault


def _space_of_environment(file: Path, name: str, env_id: str | None) -> tuple[Space, Any]:
    """Old datasets leave the spaces to the environment. Only names that Gymnasium knows are made."""
    import gymnasium

    if env_id not in gymnasium.registry:
        raise DataError(f"{file}: has no `{name}`, and its environment {env_id!r} is not registered here. {MEND}")
    try:
        environment = gymnasium.make(env_id)
    except (gymnasium.error.Error, ImportError) as fault:
        raise DataError(
            f"{file}: has no `{name}`, and {env_id!r} cannot be made ({one_line(fault)}). {MEND}"
        ) from fault
    try:
        space = getattr(environment, name)
        return from_gymnasium(space), discrete_start(space)
    finally:
        environment.close()


def parse_space(described: Mapping[str, Any], *, nested: bool = False) -> tuple[Space, Any]:
    """Our space of Minari's description, and what its choices count from."""
    kind = described["type"]
    if kind == "Box":
        return _parse_box(described), 0
    if kind == "Discrete":
        return Discrete(_count(described["n"])), int(described.get("start", 0))
    if kind == "MultiDiscrete":
        counts = tuple(_count(n) for n in described["nvec"])
        starts = np.asarray(described.get("start", 0), np.int64)
        return MultiDiscrete(counts), np.array(np.broadcast_to(starts, len(counts)))
    if kind == "Dict" and not nested and described["subspaces"]:
        parsed = {str(name): parse_space(inner, nested=True) for name, inner in described["subspaces"].items()}
        spaces = DictSpace.of({name: space for name, (space, _) in parsed.items()})
        return spaces, {name: start for name, (_, start) in parsed.items()}
    raise SpaceError(f"Unsupported space {'empty or nested ' if kind == 'Dict' else ''}{kind}; supported: {SUPPORTED}.")


def _parse_box(described: Mapping[str, Any]) -> Box:
    low, high = (np.asarray(described[name], np.float64) for name in ("low", "high"))
    shape = tuple(_count(n) for n in described["shape"])
    if not low.shape == high.shape == shape:
        raise ValueError(f"bounds of shapes {low.shape} and {high.shape} for a Box of shape {shape}")
    if not (low <= high).all():
        raise ValueError("a lower bound above the upper one, or NaN")
    return box_of(low, high, str(described["dtype"]))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} where a count from 1 was expected")
    return value
