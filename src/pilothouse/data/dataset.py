"""`Dataset`: recorded experience as flat arrays in memory, with an index of its episodes."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Int, PyTree, Shaped

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import MASK, Box, DictSpace, Space, Spec, to_json, to_unit
from pilothouse.data.mapped import release, take

STD_FLOOR = 1e-3
"""Smallest standard deviation that observations are divided by."""
_AT_ONCE = 2**20
_PER_ROW = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "valid", "duration")
LABELS = {"reward": "rewarded", "action": "acted"}
"""What a row may lack, and the mask that says which rows have it."""
_LEARNERS = {"reward": "reward-imputation", "action": "ss-orl"}
"""The recipes that learn from data which lack it."""


class Scaler(NamedTuple):
    """Mean and standard deviation per observation entry, float32, in the structure of one observation.

    Entries that are not real numbers (pixels, choices, action masks) have mean 0 and deviation 1, as scalars.
    """

    mean: PyTree
    std: PyTree


@dataclass(frozen=True, eq=False)
class Dataset:
    """Experience in the units and precision in which it was recorded; row i is one transition.

    - `obs`, `next_obs`: `[row, …]`, or a dict of such arrays; `action`: `[row, …]` in environment units, choices
      counted from 0. `next_obs` is always the true next observation.
    - `reward`: `[row]`; `terminated`, `truncated`, `valid`: `[row]`; `duration`: `[row]`, environment steps (1).
    - `episode_id`: `[row]`, 0, 0, …, 1, …; rows of an episode are neighbours, in order.
    - `starts`, `lengths`: `[episode]`, the first row and the number of rows of each.
    - `spec`: spaces as recorded, or `inferred` from the numbers where a file says nothing of them; `env_id`: Gymnasium's
      name of the environment, if known; `seeds`: `[episode]`, the seed of each reset, where every one is known.
    - `rewarded`, `acted`: `[row]`, False where the reward, or the action, was not recorded, and NaN stands in its place
      (`hiding`); None where all were. Whatever reads the numbers of a dataset refuses one that lacks some (`require`),
      unless it says that it does without.

    Made by `read_dataset`, `dataset_from_episodes` or `dataset_from_transitions`, which check shapes and values.
    """

    obs: PyTree
    action: PyTree
    reward: Shaped[np.ndarray, " row"]
    next_obs: PyTree
    terminated: Bool[np.ndarray, " row"]
    truncated: Bool[np.ndarray, " row"]
    valid: Bool[np.ndarray, " row"]
    episode_id: Int[np.ndarray, " row"]
    duration: Int[np.ndarray, " row"]
    starts: Int[np.ndarray, " episode"]
    lengths: Int[np.ndarray, " episode"]
    spec: Spec
    name: str
    env_id: str | None = None
    description: str = ""
    seeds: tuple[int, ...] | None = None
    inferred: bool = False
    rewarded: Bool[np.ndarray, " row"] | None = None
    acted: Bool[np.ndarray, " row"] | None = None

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.reward)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}: {self.episodes} episodes, {len(self)} transitions, {self.spec})"

    @property
    def episodes(self) -> int:
        return len(self.starts)

    @property
    def per_row(self) -> tuple[str, ...]:
        """The names of all that has an entry a row, but for `episode_id`."""
        return _PER_ROW + tuple(mask for mask in LABELS.values() if getattr(self, mask) is not None)

    def missing(self, label: str) -> int:
        """How many rows lack this label, "reward" or "action"."""
        mask = getattr(self, LABELS[label])
        return 0 if mask is None else int(len(mask) - mask.sum())

    def require(self, who: str, *labels: str) -> None:
        """Raises `DataError` where rows lack any of these labels (all, by default), which `who` reads."""
        for label in labels or tuple(LABELS):
            if self.missing(label):
                raise DataError(
                    f"{self.name}: {self.missing(label)} of {len(self)} rows have no {label}, and {who} reads it of all. "
                    f"Learn from such data with {_LEARNERS[label]!r}, or record every {label}."
                )

    def labelled(self) -> "Dataset":
        """Only the episodes that have every reward and every action: the dataset itself, where all have.

        **Raises:** `DataError` where no episode has.
        """
        lacking = np.zeros(len(self), bool)
        for mask in LABELS.values():
            known = getattr(self, mask)
            lacking |= False if known is None else ~known
        if not lacking.any():
            return self
        whole = np.flatnonzero(np.add.reduceat(lacking.astype(np.int64), self.starts) == 0)
        if not len(whole):
            raise DataError(
                f"{self.name}: {self.missing('reward')} of {len(self)} rows have no reward, {self.missing('action')} no "
                f"action, and no episode has all of both, by which to describe the rest. Record some episodes whole."
            )
        return self.select(whole)

    def hiding(self, **hidden: Shaped[np.ndarray, "..."]) -> "Dataset":
        """The dataset without the labels of these rows: `hiding(reward=mask)`, `hiding(action=mask)`, or both.

        What was hidden before stays so. A fully labelled dataset of which nothing is hidden stays as it is.

        **Raises:** `DataError` for a mask that is not one truth value a row, and for actions that are not real numbers,
        which have no NaN.
        """
        found: dict[str, Any] = {}
        for label, mask in hidden.items():
            mask, known = np.asarray(mask), getattr(self, LABELS[label])
            if mask.shape != (len(self),) or mask.dtype != bool:
                raise DataError(
                    f"{self.name}: the mask of hidden {label}s is {mask.dtype} of shape {mask.shape}; expected one truth "
                    f"value for each of {len(self)} rows."
                )
            if label == "action" and not (isinstance(self.spec.action, Box) and self.spec.action.dtype == "float32"):
                raise DataError(
                    f"{self.name}: its actions are {self.spec.action}; only real Box actions can be missing."
                )
            if not mask.any():
                continue
            values = getattr(self, label)
            values = values.astype(np.result_type(values.dtype, np.float32))
            values[mask] = np.nan
            found |= {label: values, LABELS[label]: ~mask if known is None else known & ~mask}
        return replace(self, **found)

    @cached_property
    def returns(self) -> Shaped[np.ndarray, " episode"]:
        """Undiscounted return of each episode, float64. Raises `DataError` where rewards are missing."""
        self.require("the return of an episode", "reward")
        return np.add.reduceat(self.reward.astype(np.float64), self.starts)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of spaces, arrays and episode index, in hexadecimal. The name and the description do not count."""
        digest = hashlib.sha256()
        spaces = {"obs": to_json(self.spec.obs), "action": to_json(self.spec.action)}
        digest.update(json.dumps(spaces, sort_keys=True).encode())
        for name in (*self.per_row, "lengths"):
            for path, array in jax.tree_util.tree_flatten_with_path(getattr(self, name))[0]:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                digest.update(f"{name}{jax.tree_util.keystr(path)}{little.dtype.str}{little.shape}".encode())
                digest.update(np.ascontiguousarray(little).data)
        return digest.hexdigest()

    def scaler(self) -> Scaler:
        """Mean and standard deviation of `obs` over all rows; deviations below 1e-3 count as 1e-3."""
        pairs = {name: _moments(name, space, array) for name, space, array in observations(self.spec.obs, self.obs)}
        if not isinstance(self.spec.obs, DictSpace):
            return Scaler(*pairs[""])
        return Scaler(*({name: pair[i] for name, pair in pairs.items()} for i in (0, 1)))

    def rows(self, at: Int[np.ndarray, " taken"] | None = None, *, lacking: tuple[str, ...] = ()) -> Batch:
        """All transitions, or those `at` these numbers, as the engine takes them: to be put on a device as they are.

        Real observations and rewards are float32, pixels uint8, choices int32. Bounded real actions are rescaled to
        [-1, 1] and clipped there, as simulators clip them; `summary` counts those outside.

        **Returns:** a batch of NumPy arrays, each with leading axis `[row]`: `obs, action, reward, next_obs,
        terminated, truncated, valid, episode_id, duration`, and the masks of labels that some rows lack.

        **Raises:** `DataError` where rows lack a label that is not named in `lacking`.
        """
        for label in LABELS:
            if label not in lacking:
                self.require("whoever asks for its rows", label)
        taken = {name: getattr(self, name) for name in (*self.per_row, "episode_id")}
        if at is not None:
            taken = jax.tree.map(lambda x: take(x, at), taken)
        return Batch(
            obs=_as_space(self.spec.obs, taken["obs"]),
            next_obs=_as_space(self.spec.obs, taken["next_obs"]),
            action=_as_space(self.spec.unit().action, _unit(self.spec.action, taken["action"])),
            reward=taken["reward"].astype(np.float32),
            terminated=taken["terminated"],
            truncated=taken["truncated"],
            valid=taken["valid"],
            episode_id=taken["episode_id"].astype(np.int32),
            duration=taken["duration"].astype(np.int32),
            **{mask: taken[mask] for mask in LABELS.values() if mask in taken},
        )

    def summary(self) -> dict[str, float | int]:
        """The numbers that describe it; see `pilothouse.data.summary.summarise`."""
        from pilothouse.data.summary import summarise

        return summarise(self)

    def select(self, episodes: Any, *, name: str | None = None) -> "Dataset":
        """Only these episodes (numbers counted from 0), in this order.

        **Raises:** `DataError` when there are none, or one does not exist.
        """
        chosen = np.asarray(episodes, np.int64).reshape(-1)
        if not len(chosen) or chosen.min() < 0 or chosen.max() >= self.episodes:
            raise DataError(
                f"Episodes {chosen[:5].tolist()} were selected from {self.name!r}, which has episodes 0 to "
                f"{self.episodes - 1}; select at least one of those."
            )
        lengths = self.lengths[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        # Row numbers: each episode's old start, repeated, plus the place within the episode.
        rows = np.repeat(self.starts[chosen] - starts, lengths) + np.arange(lengths.sum())
        taken = {field: jax.tree.map(lambda x: x[rows], getattr(self, field)) for field in self.per_row}
        seeds = None if self.seeds is None else tuple(self.seeds[i] for i in chosen)
        ids = np.repeat(np.arange(len(chosen), dtype=self.episode_id.dtype), lengths)
        index = {"episode_id": ids, "starts": starts.astype(np.int64), "lengths": lengths, "seeds": seeds}
        return replace(self, **taken, **index, name=name or self.name)

    def split(self, fraction: float, *, seed: int) -> tuple["Dataset", "Dataset"]:
        """Two datasets that share no episode: about `fraction` of the episodes, and the rest; at least one in each.

        **Raises:** `SettingError` unless 0 < fraction < 1; `DataError` for a single episode.
        """
        if not 0.0 < fraction < 1.0:
            raise SettingError(f"A fraction of {fraction!r} was given; expected a number between 0 and 1, such as 0.9.")
        if self.episodes < 2:
            raise DataError(f"{self.name!r} has a single episode; splitting by episode needs at least two.")
        count = min(max(round(fraction * self.episodes), 1), self.episodes - 1)
        order = np.random.default_rng(seed).permutation(self.episodes)
        return self.select(np.sort(order[:count])), self.select(np.sort(order[count:]))


def observations(space: Space, values: PyTree) -> Iterator[tuple[str, Space, np.ndarray]]:
    """Each array of an observation or action with its space and its name, which is empty where there is only one."""
    if isinstance(space, DictSpace):
        for name, inner in space.items:
            yield name, inner, values[name]
    else:
        yield "", space, values


def _moments(name: str, space: Space, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(space, Box) or space.dtype != "float32" or name == MASK:
        return np.zeros((), np.float32), np.ones((), np.float32)
    if len(array) <= _AT_ONCE:
        mean, std = array.mean(axis=0, dtype=np.float64), array.std(axis=0, dtype=np.float64)
    else:  # `std` would make a copy of all of it
        mean = _summed(array, lambda piece: piece.sum(axis=0, dtype=np.float64)) / len(array)
        std = np.sqrt(_summed(array, lambda piece: ((piece - mean) ** 2).sum(axis=0)) / len(array))
    return np.asarray(mean, np.float32), np.maximum(np.asarray(std, np.float32), np.float32(STD_FLOOR))


def _summed(array: np.ndarray, of_piece: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    total = np.zeros(array.shape[1:])
    for start in range(0, len(array), _AT_ONCE):
        total += of_piece(array[start : start + _AT_ONCE])
        release(array)
    return total


def _as_space(space: Space, values: PyTree) -> PyTree:
    if isinstance(space, DictSpace):
        return {name: _as_space(inner, values[name]) for name, inner in space.items}
    return values.astype(getattr(space, "dtype", "int32"))


def _unit(space: Space, action: PyTree) -> PyTree:
    if isinstance(space, DictSpace):
        return {name: _unit(inner, action[name]) for name, inner in space.items}
    if not isinstance(space, Box) or not space.bounded or space.dtype != "float32":
        return action
    return np.clip(to_unit(space, action), -1.0, 1.0)
