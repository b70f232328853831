"""From loose arrays, as files without spaces hold them, to a dataset: spaces that are inferred, and three rules of rows.

- *Transitions*: each row brings its own next observation.
- *Steps*: the next observation is that of the next row. The last row of an episode has none, and is kept only where it
  terminated: what would follow does not count then, and its own observation stands there.
- *States*: the last row of an episode is an observation alone, as in RLDS and OGBench.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.files import MEND

MOST_CHOICES = 100_000
INFERRED = "Spaces inferred from the data."
NO_REWARD = "No rewards recorded: all are 0."


def observation_space(where: str, values: Any) -> tuple[Space, Any]:
    """The space of recorded observations, and the observations in its form.

    Whole numbers in one column are choices, uint8 of three axes are pixels, all else is real and unbounded.
    """
    if isinstance(values, Mapping):
        inner = {name: observation_space(where, array) for name, array in values.items()}
        return DictSpace.of({name: space for name, (space, _) in inner.items()}), {
            name: array for name, (_, array) in inner.items()
        }
    if values.ndim == 1 and values.dtype.kind in "iu":
        return Discrete(_choices(where, "observations", values)), values
    if values.ndim >= 3 and values.dtype == np.uint8:
        return Box(values.shape[1:], 0.0, 255.0, "uint8"), values
    _refuse_empty(where, "observations", values)
    values = values.reshape(len(values), -1) if values.ndim == 1 else values
    return Box(values.shape[1:]), values if values.dtype.kind == "f" else values.astype(np.float32)


def action_space(where: str, values: np.ndarray) -> tuple[Space, np.ndarray]:
    """The space of recorded actions, and the actions in its form.

    Whole numbers are choices from 0 to the largest seen, one choice a column. Real actions within [-1, 1] are taken to
    be bounded there, as most recorders leave them; others by the least and the largest seen in each column.
    """
    _refuse_empty(where, "actions", values)
    if values.dtype.kind in "iub":
        values = values.astype(np.int64) if values.dtype.kind == "b" else values
        if values.ndim == 1:
            return Discrete(_choices(where, "actions", values)), values
        if values.ndim == 2:
            return MultiDiscrete(tuple(_choices(where, "actions", column) for column in values.T)), values
    values = values.reshape(len(values), -1) if values.ndim == 1 else values
    values = values if values.dtype.kind == "f" else values.astype(np.float32)
    low, high = values.min(axis=0), values.max(axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return Box(values.shape[1:], -1.0, 1.0), values  # the check of values names the row
    if (np.abs(low) <= 1).all() and (np.abs(high) <= 1).all():
        return Box(values.shape[1:], -1.0, 1.0), values
    bounds = [tuple(float(x) for x in np.float32(bound).reshape(-1)) for bound in (low, high)]
    return Box(values.shape[1:], bounds[0], bounds[1]), values


def _refuse_empty(where: str, name: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where}: {name!r} holds {values.dtype}, expected numbers. {MEND}")
    if 0 in values.shape:
        raise DataError(f"{where}: {name!r} has shape {values.shape}, which holds nothing. {MEND}")


def _choices(where: str, name: str, values: np.ndarray) -> int:
    _refuse_empty(where, name, values)
    least, most = int(values.min()), int(values.max())
    if least < 0 or most >= MOST_CHOICES:
        raise DataError(
            f"{where}: {name!r} holds whole numbers from {least} to {most}, which are taken for choices; expected 0 to "
            f"at most {MOST_CHOICES - 1}. Store real numbers as floating point, or count choices from 0."
        )
    return most + 1


def check_lengths(where: str, arrays: Mapping[str, Any]) -> int:
    """The number of rows that all arrays share. Raises `DataError` when they differ, or there are none."""
    lengths = {name: len(array) if np.ndim(array) else None for name, array in arrays.items() if array is not None}
    if None in lengths.values() or len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {'no rows' if rows is None else rows}" for name, rows in lengths.items())
        raise DataError(f"{where}: the arrays differ in their number of rows ({found}). {MEND}")
    rows = next(iter(lengths.values()))
    if not rows:
        raise DataError(f"{where}: holds no transitions. Record at least one episode.")
    return rows


def flags(where: str, name: str, values: np.ndarray) -> Bool[np.ndarray, " row"]:
    """An array of 0 and 1, in whatever numbers it was stored. Raises `DataError` for anything else."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise DataError(
            f"{where}: {name!r} has shape {values.shape} of {values.dtype}, expected one 0 or 1 a row. {MEND}"
        )
    wrong = ~((values == 0) | (values == 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{where}: {name!r} holds {values[row]} in row {row}, expected 0 or 1. {MEND}")
    return values.astype(bool)


def numbers(where: str, name: str, values: np.ndarray) -> Shaped[np.ndarray, " row"]:
    """One number a row. Raises `DataError` for anything else."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise DataError(
            f"{where}: {name!r} has shape {values.shape} of {values.dtype}, expected one number a row. {MEND}"
        )
    return values


def dataset_of_rows(
    where: str | Path,
    obs: Any,
    action: np.ndarray,
    reward: np.ndarray | None,
    terminated: Bool[np.ndarray, " row"],
    last: Bool[np.ndarray, " row"],
    *,
    rule: str,
    next_obs: Any = None,
    rewarded: Bool[np.ndarray, " row"] | None = None,
    acted: Bool[np.ndarray, " row"] | None = None,
    name: str,
    env_id: str | None = None,
    description: str = "",
) -> Dataset:
    """A checked dataset of rows, under one of the three rules.

    **Arguments:** `terminated`: of the action of this row; `last`: the last row of an episode, in the file; `rule`:
    "transitions" (with `next_obs`), "steps" or "states". Without `reward` all rewards are 0, and the description says so.
    `rewarded`, `acted`: where false, the reward, or the action, is missing; finite numbers stand there all the same.

    **Raises:** `DataError` as `dataset_from_transitions` does, and where a file leaves no transition.
    """
    where = str(where)
    rows = len(last)
    last = last.copy()
    last[-1] = True
    obs_space, obs = observation_space(where, obs)
    kept = np.ones(rows, bool)
    if rule == "transitions":
        next_space, next_obs = observation_space(where, next_obs)
        obs_space = _wider(where, obs_space, next_space)
    else:
        kept = ~last if rule == "states" else ~last | terminated
        next_obs = _map(lambda x: _shifted(x, last), obs)
    if not kept.any():
        raise DataError(f"{where}: holds no transitions, only last rows of episodes. Record at least one episode.")
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    episode = np.repeat(np.arange(len(starts), dtype=np.int32), np.diff(np.append(starts, rows)))
    notes = [description, INFERRED, NO_REWARD if reward is None else ""]
    flat = {
        "obs": obs,
        "action": action,
        "reward": np.zeros(rows, np.float32) if reward is None else numbers(where, "rewards", reward),
        "next_obs": next_obs,
        "terminated": terminated,
        "truncated": np.zeros(rows, bool),  # the last row of an episode that did not terminate is marked so
        "episode_id": episode,
    }
    if not kept.all():  # what stands beside a last observation, such as an action, may be anything
        flat = {field: _map(lambda x: x[kept], values) for field, values in flat.items()}
    masks = {"reward": None if reward is None else rewarded, "action": acted}
    hidden = {label: ~mask[kept] for label, mask in masks.items() if mask is not None}
    space, flat["action"] = action_space(where, flat["action"])
    found = dataset_from_transitions(
        flat,
        Spec(obs_space, space),
        name=name,
        env_id=env_id,
        description=" ".join(note for note in notes if note),
        where=where,
        cut_at_endings=False,
        inferred=True,
    )
    return found.hiding(**hidden)


def _wider(where: str, space: Space, after: Space) -> Space:
    """The space of observations and next observations together."""
    if isinstance(space, Discrete) and isinstance(after, Discrete):
        return Discrete(max(space.n, after.n))
    if space != after:
        raise DataError(f"{where}: observations are {space}, next observations {after}; expected the same. {MEND}")
    return space


def _map(change: Any, values: Any) -> Any:
    return {name: change(array) for name, array in values.items()} if isinstance(values, Mapping) else change(values)


def _shifted(obs: np.ndarray, last: Bool[np.ndarray, " row"]) -> np.ndarray:
    """The observation of the next row, and at the last row of an episode its own."""
    after = np.empty_like(obs)
    after[:-1] = obs[1:]
    after[last] = obs[last]
    return after


def natural(name: str) -> tuple[Any, ...]:
    """A key that sorts obs_2 before obs_10."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name))
