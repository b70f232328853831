"""Datasets in D4RL's layout: one HDF5 file of flat arrays, a row a step, episodes one after the other.

`observations`, `actions`, `rewards`, `terminals` (the environment ended the episode), `timeouts` (the recorder did); and
if there, `next_observations`. `infos/*` and `metadata/*` are not read, but for a name of the environment.
Source: https://github.com/Farama-Foundation/D4RL, `d4rl/offline_env.py` and `d4rl/__init__.py` (`qlearning_dataset`).
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from pilothouse.core.errors import DataError
from pilothouse.data.dataset import Dataset
from pilothouse.data.files import MEND, Allowance, refusing
from pilothouse.data.loose_rows import check_lengths, dataset_of_rows, flags

NEEDED = ("observations", "actions", "rewards", "terminals")
READ = (*NEEDED, "timeouts", "next_observations")


def read_d4rl(path: Path) -> Dataset:
    """The whole file in memory, checked.

    With `next_observations`, every row is a transition, and an episode also ends where the next row does not begin with
    it. Without, the last row of an episode is left out unless it terminated: its next observation was not recorded
    (D4RL's own rule). A file without `timeouts` has only what `terminals` say.

    **Raises:** `DataError`.
    """
    import h5py

    with refusing(path, "D4RL's HDF5"), h5py.File(path, "r") as file:
        missing = [name for name in NEEDED if name not in file]
        if missing:
            minari = any(str(name).startswith("episode_") for name in file)
            hint = " Give the folder of the Minari dataset." if minari else ""
            raise DataError(
                f"{path}: is HDF5 that lacks {missing}; D4RL's layout has {list(NEEDED)} at the top.{hint or ' ' + MEND}"
            )
        allowance = Allowance(path, [path])
        opened = {name: _array(path, file, name) for name in READ if name in file}
        rows = check_lengths(str(path), opened)
        for name, array in opened.items():
            allowance.take(name, array.shape, array.dtype)
        found = {name: array[()] for name, array in opened.items()}
        env_id = _name_of_environment(file)
    where = str(path)
    terminated = flags(where, "terminals", found["terminals"])
    last = terminated | (flags(where, "timeouts", found["timeouts"]) if "timeouts" in found else False)
    after = found.get("next_observations")
    if after is not None and after.shape == found["observations"].shape:
        last = last | _breaks(found["observations"], after, rows)
    return dataset_of_rows(
        where,
        found["observations"],
        found["actions"],
        found["rewards"],
        terminated,
        last,
        rule="steps" if after is None else "transitions",
        next_obs=after,
        name=path.stem,
        env_id=env_id,
    )


def _breaks(obs: np.ndarray, after: np.ndarray, rows: int) -> Bool[np.ndarray, " row"]:
    """Where the next row's observation is not what followed this row."""
    apart = (obs[1:] != after[:-1]).reshape(rows - 1, -1).any(axis=1) if rows > 1 else np.zeros(0, bool)
    return np.append(apart, True)


def _array(path: Path, file: Any, name: str) -> Any:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{path}: {name!r} points elsewhere, which is not read. {MEND}")
    array = file[name]
    if not isinstance(array, h5py.Dataset):
        raise DataError(f"{path}: {name!r} is a group, expected an array. {MEND}")
    if array.external or array.is_virtual:
        raise DataError(f"{path}: {name!r} keeps its numbers in another file, which is not read. {MEND}")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {name!r} holds {array.dtype}, expected numbers. {MEND}")
    return array


def _name_of_environment(file: Any) -> str | None:
    """The Gymnasium name that some recorders leave among the attributes."""
    name = file.attrs.get("env_id")
    return name if isinstance(name, str) else None
