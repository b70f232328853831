"""Gymnasium simulators as a `HostWorld`: several copies, stepped one after another in this process.

Nothing resets by itself, and each episode has its own seed, so an episode is known by its seed, task and actions:
`snapshot` and `restore` resume it exactly by replaying them (setting a simulator's state drifts; replay does not).
"""

import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from pilothouse.core.batch import Batch
from pilothouse.core.errors import CheckpointError, SettingError, SpaceError
from pilothouse.core.gymnasium_spaces import discrete_start, from_gymnasium
from pilothouse.core.spaces import MASK, Box, DictSpace, Space, Spec, checked_value
from pilothouse.worlds.action_log import ActionLog, Actions, length_of
from pilothouse.worlds.gymnasium_actions import action_converter
from pilothouse.worlds.gymnasium_make import make
from pilothouse.worlds.gymnasium_masks import flat_mask
from pilothouse.worlds.observed import observation_names
from pilothouse.worlds.world import Task

Numbers = Sequence[int] | np.ndarray


class _Final(NamedTuple):
    """How a copy's episode ended."""

    seen: Any
    info: dict[str, Any]
    terminated: bool
    truncated: bool


class GymnasiumWorld:
    """`size` copies of a Gymnasium environment: `ID`, or `module:ID` to import a module first.

    Observations are as `spec.obs` says: floats cast to float32, choices counted from 0, Dicts as dicts of arrays; an
    environment that gives `info["action_mask"]` at its reset has a Dict observation with that entry (a plain one is
    called `obs`), and a step without one allows everything.
    Actions are in the environment's units, with choices counted from 0; float boxes are clipped to their bounds.
    `horizon` is the registered time limit (None without one). Other keywords go to the environment.

    Raises `UnknownNameError` (with the nearest id), `MissingExtraError` without the simulator, `SpaceError` for spaces
    that are not supported, `SettingError` for a size below 1 or an environment that cannot be made.
    """

    def __init__(self, env: str, size: int = 1, *, render_mode: str | None = None, **options: Any):
        if size < 1:
            raise SettingError(f"size={size}; expected at least one copy of {env}.")
        self.name, self.size = env, size
        self._envs = [make(env, render_mode=render_mode, **options) for _ in range(size)]
        self._close = weakref.finalize(self, _close_all, self._envs)
        first = self._envs[0]
        self.horizon: int | None = getattr(first.spec, "max_episode_steps", None)
        self._shown = _described(env, "observations", first.observation_space)
        obs, action = self._shown, _described(env, "actions", first.action_space)
        seen, info = first.reset(seed=0)
        self._start = discrete_start(first.observation_space)
        self._check(seen)
        self._mask_in_info = info.get(MASK) is not None and not (isinstance(obs, DictSpace) and MASK in obs.spaces)
        if self._mask_in_info:
            obs = _with_mask(obs, len(flat_mask(info[MASK], action)))
        self.spec = Spec(obs, action)
        self.spec.check_mask()
        self.observation_names = observation_names(first, obs.size) if isinstance(obs, Box) else None
        self._names = frozenset(self._shown.spaces) if isinstance(self._shown, DictSpace) else None
        self._plain = not isinstance(obs, DictSpace)
        self._shape, self._dtype = (obs.shape, np.dtype(obs.dtype)) if not isinstance(obs, DictSpace) else ((), None)
        starts = self._start if isinstance(self._start, dict) else {"obs": self._start}
        self._starts = {name: start for name, start in starts.items() if np.any(start)}
        self._to_env = action_converter(first.action_space)
        self._steps = [each.step for each in self._envs]
        self._log = ActionLog(_zeros(action, size))
        self._final: list[_Final | None] = [None] * size
        self._seeds: list[int | None] = [None] * size
        self._tasks: list[dict[str, Any] | None] = [None] * size

    def reset(self, indices: Numbers, seeds: Numbers, task: Task = ()) -> PyTree:
        """Begin new episodes in these copies, each with its own seed: observations with a leading axis of `indices`.

        `task` is `()` or a dict of arrays with that leading axis too; each copy gets its own row as Gymnasium's
        `options`.
        """
        if len(indices) != len(seeds):
            raise SettingError(f"{len(indices)} copies to reset with {len(seeds)} seeds; give one seed for each copy.")
        tasks = _rows_of(task, len(indices))
        obs = self._blank(len(indices))
        for place, (index, seed, own) in enumerate(zip(indices, seeds, tasks, strict=True)):
            self._write(obs, place, *self._begin(int(index), int(seed), own))
        return self._from_start(obs)

    def step(self, actions: Actions) -> Batch:
        """Step every copy once: `next_obs, reward, terminated, truncated`, fresh arrays.

        A copy whose episode is over stands still until it is reset: the same observation and flags again, reward 0.
        """
        if type(actions) is not np.ndarray:
            actions = _arrays(actions)
        size, rows = self.size, self._to_env(actions)
        if len(rows) != size:
            raise SpaceError(f"{len(rows)} actions for {size} copies of {self.name}; give one for each copy.")
        self._log.append(actions)
        obs, reward = self._blank(size), np.empty(size, np.float32)
        terminated, truncated = np.empty(size, bool), np.empty(size, bool)
        for i, step in enumerate(self._steps):
            if (final := self._final[i]) is None:
                seen, reward[i], ended, cut, info = step(rows[i])
                if ended or cut:
                    self._final[i] = _Final(deepcopy(seen), info, ended, cut)
            else:
                seen, info, ended, cut = final
                reward[i] = 0
            terminated[i], truncated[i] = ended, cut
            if self._plain:
                if getattr(seen, "shape", ()) != self._shape:  # as in _write, which costs more
                    self._check(seen)
                obs[i] = seen
            else:
                self._write(obs, i, seen, info)
        return Batch(next_obs=self._from_start(obs), reward=reward, terminated=terminated, truncated=truncated)

    def history(self) -> list[Actions]:
        """For each copy the actions since its last reset, as they were given to `step`."""
        return self._log.since_reset()

    def replay(self, histories: Sequence[Actions], seeds: Numbers, task: Task = ()) -> PyTree:
        """Reset every copy with its seed and task and repeat its actions: the observations then seen, for comparing."""
        frames = self.replay_frames(histories, seeds, task, last=1)
        return {name: part[:, 0] for name, part in frames.items()} if isinstance(frames, dict) else frames[:, 0]

    def replay_frames(self, histories: Sequence[Actions], seeds: Numbers, task: Task = (), *, last: int) -> PyTree:
        """As `replay`, but the `last` observations of each copy, `(size, last, …)`; too few begin with the first."""
        if not len(histories) == len(seeds) == self.size:
            raise CheckpointError(
                f"{len(histories)} histories and {len(seeds)} seeds for {self.size} copies of {self.name}; "
                f"resume with as many copies as were stored."
            )
        obs = self._blank(self.size * last)
        for i, own in enumerate(_rows_of(task, self.size)):
            seen = deque([deepcopy(self._begin(i, int(seeds[i]), own))] * last, maxlen=last)
            seen.extend(self._repeat(i, histories[i]))
            for place, pair in enumerate(seen):
                self._write(obs, i * last + place, *pair)
        self._log.restore(list(histories))
        obs = self._from_start(obs)
        shape = (self.size, last)
        if isinstance(obs, dict):
            return {name: part.reshape(shape + part.shape[1:]) for name, part in obs.items()}
        return obs.reshape(shape + obs.shape[1:])

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, as a dict of arrays: `seeds`, `lengths`, all histories end to end, and tasks if any.

        Raises `SettingError` before every copy was reset once.
        """
        if None in self._seeds:
            raise SettingError(f"A copy of {self.name} was never reset; reset all before a snapshot.")
        histories = self.history()
        lengths = np.array([length_of(history) for history in histories], np.int64)
        if isinstance(histories[0], dict):
            joined = {name: np.concatenate([history[name] for history in histories]) for name in histories[0]}
        else:
            joined = np.concatenate(histories)
        kept = {"seeds": np.array(self._seeds, np.int64), "lengths": lengths, "actions": joined}
        tasks = [task for task in self._tasks if task is not None]
        if tasks and len(tasks) < self.size:
            raise SettingError(
                f"Some copies of {self.name} have a task and some have none; such a mixture is not kept."
            )
        return (
            {**kept, "task": {name: np.stack([task[name] for task in tasks]) for name in tasks[0]}} if tasks else kept
        )

    def restore(self, snapshot: Mapping[str, Any]) -> PyTree:
        """Replay a snapshot; returns the observations, which must equal those the stored run had seen last."""
        return self.replay(*split_snapshot(snapshot))

    def render(self, index: int = 0) -> np.ndarray:
        """An RGB frame `(height, width, 3)` of one copy. Raises `SettingError` unless made with a `render_mode`."""
        frame = self._envs[index].render() if self._envs[index].render_mode else None
        if not isinstance(frame, np.ndarray):
            raise SettingError(f'{self.name} draws nothing; make it with render_mode="rgb_array".')
        return frame

    def simulators(self) -> list[Any]:
        """The environments themselves, without their wrappers, one a copy: for changing their physics before a reset."""
        return [each.unwrapped for each in self._envs]

    def close(self) -> None:
        """Close every copy; also done when the program ends, since an open renderer complains then."""
        self._close()

    def _begin(self, index: int, seed: int, task: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        self._seeds[index], self._tasks[index], self._final[index] = seed, task, None
        self._log.begin(index)
        seen, info = self._envs[index].reset(seed=seed, options=task)
        self._check(seen)
        return seen, info

    def _check(self, seen: Any) -> None:
        """Raises `SpaceError` unless the environment shows what its space says."""
        checked_value(f"What {self.name} shows", self._shown, seen, self._start)

    def _repeat(self, index: int, history: Actions) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Take these actions again in one copy: what is seen after each."""
        for action in self._to_env(history) if length_of(history) else ():
            if (final := self._final[index]) is None:
                seen, _, ended, cut, info = self._steps[index](action)
                seen = deepcopy(seen)  # some environments write every observation into one array
                if ended or cut:
                    self._final[index] = _Final(seen, info, ended, cut)
            else:
                seen, info = final.seen, final.info
            yield seen, info

    def _blank(self, size: int) -> Any:
        """Fresh arrays for observations: fresh, since a caller may still hold (or alias) the last ones."""
        return np.empty((size, *self._shape), self._dtype) if self._plain else _zeros(self.spec.obs, size)

    def _write(self, obs: Any, place: int, seen: Any, info: dict[str, Any]) -> None:
        """Put one copy's observation into its row."""
        if self._names is not None and seen.keys() != self._names:
            self._check(seen)
        for name, value in seen.items() if self._names is not None else (("obs", seen),):
            part = obs if self._plain else obs[name]
            if getattr(value, "shape", ()) != part.shape[1:]:  # it would be broadcast without a word, or fail
                self._check(seen)
            part[place] = value
        if self._mask_in_info:
            obs[MASK][place] = flat_mask(info.get(MASK), self.spec.action)

    def _from_start(self, obs: Any) -> Any:
        """Choices counted from 0, in place."""
        for name, start in self._starts.items():
            part = obs if self._plain else obs[name]
            part -= start
        return obs


def split_snapshot(snapshot: Mapping[str, Any]) -> tuple[list[Actions], list[int], Task]:
    """The histories (one a copy), seeds and task of a `GymnasiumWorld.snapshot`."""
    cuts, actions = np.cumsum(snapshot["lengths"])[:-1], snapshot["actions"]
    if isinstance(actions, Mapping):
        parts = {name: np.split(part, cuts) for name, part in actions.items()}
        histories: list[Any] = [{name: part[i] for name, part in parts.items()} for i in range(len(cuts) + 1)]
    else:
        histories = np.split(actions, cuts)
    return histories, [int(seed) for seed in snapshot["seeds"]], snapshot.get("task", ())


def _described(env: str, what: str, space: Any) -> Space:
    try:
        return from_gymnasium(space)
    except SpaceError as fault:
        raise SpaceError(f"The {what} of {env}: {fault}") from fault


def _with_mask(obs: Space, actions: int) -> DictSpace:
    plain = obs.spaces if isinstance(obs, DictSpace) else {"obs": obs}
    return DictSpace.of({**plain, MASK: Box((actions,), 0.0, 1.0, "int8")})


def _zeros(space: Space, size: int) -> Any:
    """Arrays for `size` values of a space."""
    if isinstance(space, DictSpace):
        return {name: _zeros(inner, size) for name, inner in space.items}
    return np.zeros((size, *space.shape), space.dtype)


def _arrays(actions: Any) -> Actions:
    return (
        {name: np.asarray(part) for name, part in actions.items()}
        if isinstance(actions, Mapping)
        else np.asarray(actions)
    )


def _rows_of(task: Task, count: int) -> list[dict[str, Any] | None]:
    if isinstance(task, tuple) and not task:
        return [None] * count
    if not isinstance(task, Mapping) or any(len(part) != count for part in task.values()):
        raise SettingError(
            f"A task is () or a dict of arrays with one row for each of {count} copies, not {task!r:.80}."
        )
    return [{name: part[i] for name, part in task.items()} for i in range(count)]


def _close_all(envs: list[Any]) -> None:
    for env in envs:
        env.close()
