"""`Episode`, and datasets made of episodes or of loose transitions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree, Shaped

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import DictSpace, Space, Spec
from pilothouse.data.checks import check_kind, check_shape, check_values, same_structure
from pilothouse.data.dataset import Dataset, observations


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode of T steps. `obs` has T + 1 rows, the last being what followed the last action; all else has T.

    Shapes are compared with the spaces when a dataset is made of it, since a file may hold anything.
    """

    obs: PyTree
    action: PyTree
    reward: Shaped[np.ndarray, "..."]
    terminated: Shaped[np.ndarray, "..."]
    truncated: Shaped[np.ndarray, "..."]
    seed: int | None = None

    def __len__(self) -> int:
        return len(self.reward)


def dataset_from_episodes(
    episodes: Iterable[Episode],
    spec: Spec,
    *,
    name: str,
    env_id: str | None = None,
    description: str = "",
    where: str | None = None,
    expected: int | None = None,
) -> Dataset:
    """A checked dataset of whole episodes.

    **Arguments:** `spec`: spaces in environment units; `where`: what faults are said to be in, by default the name;
    `expected`: about how many steps there are in all, if known: room is made for them at once.

    **Raises:** `DataError`, one line, for no episodes, an episode without steps, shapes at odds with the spaces, NaN
    or infinity, and choices out of range.
    """
    where = where or name
    flat = _Flat(expected)
    lengths: list[int] = []
    seeds: list[int] = []
    for index, episode in enumerate(episodes):
        check_episode(where, index, spec, episode)
        flat.add(episode)
        lengths.append(len(episode))
        seeds += [] if episode.seed is None else [episode.seed]
    if not lengths:
        raise DataError(f"{where}: holds no episodes. Record at least one, or give another dataset.")
    about = {"name": name, "env_id": env_id, "description": description}
    found = {field: flat.tree(field) for field in ("obs", "next_obs", "action", "reward", "terminated", "truncated")}
    whole = tuple(seeds) if len(seeds) == len(lengths) else None
    return _assemble(where, np.array(lengths, np.int64), spec, chained=True, **found, seeds=whole, **about)


class _Flat:
    """Flat arrays that grow by an episode at a time, each written to its place while it is at hand.

    Many episodes joined at the end would be held twice, and read from memory twice more.
    """

    def __init__(self, expected: int | None):
        self.room, self.rows = max(expected or 0, 1024), 0
        self.arrays: dict[tuple[str, str | None], np.ndarray] = {}

    def add(self, episode: Episode) -> None:
        steps = len(episode)
        while self.rows + steps > self.room:
            self.room = max(2 * self.room, self.rows + steps)
        self._put("obs", jax.tree.map(lambda x: x[:-1], episode.obs))
        self._put("next_obs", jax.tree.map(lambda x: x[1:], episode.obs))
        for field in ("action", "reward", "terminated", "truncated"):
            self._put(field, getattr(episode, field))
        self.rows += steps

    def _put(self, field: str, values: PyTree) -> None:
        for name, array in values.items() if isinstance(values, Mapping) else [(None, values)]:
            before = self.arrays.get((field, name))
            dtype = array.dtype if before is None else np.promote_types(before.dtype, array.dtype)
            if before is None or len(before) < self.room or before.dtype != dtype:
                self.arrays[field, name] = np.empty((self.room, *array.shape[1:]), dtype)
                if before is not None:
                    self.arrays[field, name][: self.rows] = before[: self.rows]
            self.arrays[field, name][self.rows : self.rows + len(array)] = array

    def tree(self, field: str) -> PyTree:
        """The arrays of a field, without the room that was left."""
        names = [name for known, name in self.arrays if known == field]
        cut = {name: self._cut(self.arrays[field, name]) for name in names}
        return cut[None] if names == [None] else cut

    def _cut(self, array: np.ndarray) -> np.ndarray:
        return array if len(array) == self.rows else array[: self.rows].copy()


def assemble(where: str, lengths: np.ndarray, spec: Spec, *, obs: PyTree, **rest: Any) -> Dataset:
    """A checked dataset from joined arrays, where `obs` holds T + 1 rows for every episode of T steps."""
    ids = np.repeat(np.arange(len(lengths)), lengths)
    before = np.arange(len(ids)) + ids  # one observation more for each earlier episode
    obs, after = jax.tree.map(lambda x: x[before], obs), jax.tree.map(lambda x: x[before + 1], obs)
    return _assemble(where, lengths, spec, obs=obs, next_obs=after, **rest)


def _assemble(
    where: str,
    lengths: np.ndarray,
    spec: Spec,
    *,
    terminated: np.ndarray,
    truncated: np.ndarray,
    chained: bool = False,
    **rest: Any,
) -> Dataset:
    rows = int(lengths.sum())
    dataset = Dataset(
        terminated=terminated.astype(bool, copy=False),
        truncated=truncated.astype(bool, copy=False),
        valid=np.ones(rows, bool),
        episode_id=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        duration=np.ones(rows, np.int32),
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        lengths=np.asarray(lengths, np.int64),
        spec=spec,
        **rest,
    )
    check_values(where, dataset, chained=chained)
    return dataset


def check_episode(where: str, index: int, spec: Spec, episode: Episode) -> None:
    """Raises `DataError` unless every array of the episode has the shape and kind that the spaces ask for."""
    steps = len(episode)
    if steps == 0:
        raise DataError(f"{where}: episode {index} has no steps. Leave it out.")
    for name, space, values, rows in (
        ("observations", spec.obs, episode.obs, steps + 1),
        ("actions", spec.action, episode.action, steps),
    ):
        if not same_structure(space, values):
            entries = sorted(space.spaces) if isinstance(space, DictSpace) else "one array"
            given = sorted(values) if isinstance(values, Mapping) else type(values).__name__
            raise DataError(
                f"{where}: {name!r} of episode {index} is {given}, expected {entries}. Rewrite that episode."
            )
        for entry, inner, array in observations(space, values):
            label = f"{name}/{entry}" if entry else name
            check_shape(where, label, index, array.shape, (rows, *leaf_shape(inner)))
            check_kind(where, label, index, array.dtype)
    for name, array, kinds in (
        ("rewards", episode.reward, "biuf"),
        ("terminations", episode.terminated, "biu"),
        ("truncations", episode.truncated, "biu"),
    ):
        check_shape(where, name, index, array.shape, (steps,))
        check_kind(where, name, index, array.dtype, kinds)


def leaf_shape(space: Space) -> tuple[int, ...]:
    return tuple(getattr(space, "shape", ()))


def dataset_from_transitions(
    rows: Mapping[str, Any],
    spec: Spec,
    *,
    name: str,
    env_id: str | None = None,
    description: str = "",
    where: str | None = None,
    cut_at_endings: bool = True,
    inferred: bool = False,
) -> Dataset:
    """A checked dataset of recorded transitions, such as a store's rows or a rollout.

    **Arguments:**
    - `rows`: `obs, action, reward, next_obs, terminated, truncated`, and if there, `episode_id` and `valid`. Leading
      axis `[row]`, rows of an episode neighbours and in order; or `[step, environment]`, one stream of episodes per
      environment. Actions in environment units.
    - `spec`: spaces in environment units.
    - `where`: what faults are said to be in, by default the name.
    - `cut_at_endings`: without, only `episode_id` says where an episode ends, and rows within it may be `terminated`.
    - `inferred`: the spaces are, from the rows.

    An episode ends where `terminated` or `truncated`, where `episode_id` changes, and where a stream ends. The last
    row of an episode that neither terminated nor was truncated is marked truncated: what followed was not recorded.
    Rows that are not `valid` are left out.

    **Raises:** `DataError` as `dataset_from_episodes` does.
    """
    where = where or name
    flat, streams = _flatten(where, rows)
    valid = np.asarray(flat.pop("valid", np.ones(len(streams), bool)), bool)
    count = int(valid.sum())
    if count == 0:
        raise DataError(f"{where}: holds no valid transitions. Record at least one episode.")
    if count < len(valid):
        flat = jax.tree.map(lambda x: x[valid], flat)
        streams = streams[valid]
    ended = flat["terminated"].astype(bool) | flat["truncated"].astype(bool)
    changes = streams[1:] != streams[:-1]
    if "episode_id" in flat:
        changes = changes | (flat["episode_id"][1:] != flat["episode_id"][:-1])
    last = np.append(ended[:-1] | changes if cut_at_endings else changes, True)
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    lengths = (ends + 1 - starts).astype(np.int64)
    _check_rows(where, spec, flat, count)
    dataset = Dataset(
        obs=flat["obs"],
        action=flat["action"],
        reward=flat["reward"],
        next_obs=flat["next_obs"],
        terminated=flat["terminated"].astype(bool),
        truncated=flat["truncated"].astype(bool) | (last & ~ended),
        valid=np.ones(count, bool),
        episode_id=np.repeat(np.arange(len(starts), dtype=np.int32), lengths),
        duration=np.asarray(flat.get("duration", np.ones(count)), np.int32),
        starts=starts,
        lengths=lengths,
        spec=spec,
        name=name,
        env_id=env_id,
        description=description,
        inferred=inferred,
    )
    check_values(where, dataset)
    return dataset


def episodes_of(dataset: Dataset) -> Iterator[Episode]:
    """The episodes with their T + 1 observations.

    **Raises:** `DataError` where a `next_obs` differs from the `obs` of the next row: such rows are no chain. And where
    rows lack their reward or action: no format that is written has a mark for it.
    """
    dataset.require("an episode as formats store it")
    _check_chain(dataset)
    for index, (start, length) in enumerate(zip(dataset.starts.tolist(), dataset.lengths.tolist(), strict=True)):
        end = start + length

        def chain(obs: np.ndarray, after: np.ndarray, start: int = start, end: int = end) -> np.ndarray:
            return np.concatenate([obs[start:end], after[end - 1 : end]])

        yield Episode(
            obs=jax.tree.map(chain, dataset.obs, dataset.next_obs),
            action=jax.tree.map(lambda x, start=start, end=end: x[start:end], dataset.action),
            reward=dataset.reward[start:end],
            terminated=dataset.terminated[start:end],
            truncated=dataset.truncated[start:end],
            seed=None if dataset.seeds is None else dataset.seeds[index],
        )


def _check_chain(dataset: Dataset) -> None:
    inner = np.flatnonzero(dataset.episode_id[1:] == dataset.episode_id[:-1])
    for (entry, _, obs), (_, _, after) in zip(
        observations(dataset.spec.obs, dataset.obs), observations(dataset.spec.obs, dataset.next_obs), strict=True
    ):
        differs = (obs[inner + 1] != after[inner]).any(axis=tuple(range(1, obs.ndim)))
        if differs.any():
            row = int(inner[np.flatnonzero(differs)[0]])
            episode = int(dataset.episode_id[row])
            place = row - int(dataset.starts[episode])
            raise DataError(
                f"{dataset.name}: {entry or 'the observation'!r} after row {place} of episode {episode} differs from "
                f"that before row {place + 1}; an episode is one chain. Mark where each episode ends with `episode_id`."
            )


def _flatten(name: str, rows: Mapping[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """Rows with one leading axis, stream by stream, and the number of the stream of each."""
    missing = {"obs", "action", "reward", "next_obs", "terminated", "truncated"} - set(rows)
    if missing:
        raise DataError(f"{name}: the transitions lack {sorted(missing)}; they hold {sorted(rows)}. Record those too.")
    wanted = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "episode_id", "valid", "duration")
    flat = {field: jax.tree.map(np.asarray, rows[field]) for field in wanted if field in rows}
    shape = flat["reward"].shape
    if len(shape) == 1:
        return flat, np.zeros(shape[0], np.int64)
    if len(shape) != 2:
        raise DataError(f"{name}: `reward` has shape {shape}, expected (rows,) or (steps, environments).")
    flat = jax.tree.map(lambda x: np.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:]), flat)
    return flat, np.repeat(np.arange(shape[1]), shape[0])


def _check_rows(name: str, spec: Spec, flat: dict[str, Any], count: int) -> None:
    for field, space in (("obs", spec.obs), ("next_obs", spec.obs), ("action", spec.action)):
        if not same_structure(space, flat[field]):
            raise DataError(f"{name}: {field!r} is not structured as its space, {space}. Record it as the space says.")
        for entry, inner, array in observations(space, flat[field]):
            label = f"{field}/{entry}" if entry else field
            if array.shape != (count, *leaf_shape(inner)):
                raise DataError(
                    f"{name}: {label!r} has shape {array.shape}, expected {(count, *leaf_shape(inner))}. "
                    "Record it as the space says."
                )
            check_kind(name, label, 0, array.dtype)
