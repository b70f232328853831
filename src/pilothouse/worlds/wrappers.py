"""Worlds around worlds: actions in [-1, 1], observations standardised, and the last few observations seen together.

Each comes twice, for JAX worlds and for host worlds; `unit_actions`, `standardised` and `frame_stack` choose. All that a wrapper does
not change (horizon, rendering, history, …) is reached through it.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, Space, Spec, box_from_bounds, from_unit
from pilothouse.worlds.world import Outcome, Task, World


def unit_actions(world: Any) -> Any:
    """The world with `spec.unit()`: bounded Box actions in [-1, 1], converted on the way in."""
    return HostUnitActions(world) if hasattr(world, "size") else UnitActions(world)


def standardised(world: Any, mean: Any, std: Any) -> Any:
    """The world whose flat float observations are shown as `(obs - mean) / std`, entry by entry.

    Raises `SpaceError` unless the world shows one flat Box of float32 with as many entries.
    """
    return HostStandardised(world, mean, std) if hasattr(world, "size") else Standardised(world, mean, std)


def frame_stack(world: Any, k: int) -> Any:
    """The world whose observation is its last `k` ones."""
    return HostFrameStack(world, k) if hasattr(world, "size") else FrameStack(world, k)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


class _Around:
    """Reaches through to the world within for every name of its own that a wrapper lacks."""

    world: Any

    def __getattr__(self, name: str) -> Any:
        if name == "world" or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        return getattr(self.world, name)


class UnitActions(_Around, eqx.Module):
    """A JAX world with bounded Box actions presented in [-1, 1]."""

    world: World

    @property
    def spec(self) -> Spec:
        return self.world.spec.unit()

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        return self.world.reset(task, key)

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        return self.world.step(state, from_unit(self.world.spec.action, action), key)


class Choices(_Around, eqx.Module):
    """A JAX world with Box actions, of which these can be chosen, by number. Raises `SettingError` for any of another size."""

    world: World
    actions: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    def __check_init__(self):
        size = getattr(self.world.spec.action, "size", 0)
        if not self.actions or any(len(each) != size for each in self.actions):
            raise SettingError(f"Choices {self.actions}; expected at least one action, each of {size} numbers.")

    @property
    def spec(self) -> Spec:
        return replace(self.world.spec, action=Discrete(len(self.actions)))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        return self.world.reset(task, key)

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        return self.world.step(state, jnp.asarray(self.actions, jnp.float32)[action], key)


class HostUnitActions(_Around):
    """A host world with bounded Box actions presented in [-1, 1]. Histories and replays stay in its own units."""

    def __init__(self, world: Any):
        self.world = world
        self.spec = world.spec.unit()
        self._space = world.spec.action

    def step(self, actions: PyTree) -> Batch:
        return self.world.step(from_unit(self._space, actions))


class Standardised(_Around, eqx.Module):
    """A JAX world that shows `(obs - mean) / std`. The moments are constants: what is shown means the same for ever."""

    world: World
    mean: tuple[float, ...] = eqx.field(static=True, converter=_numbers)
    std: tuple[float, ...] = eqx.field(static=True, converter=_numbers)

    def __check_init__(self):
        _check_moments(self.world.spec.obs, self.mean, self.std)

    @property
    def spec(self) -> Spec:
        return replace(self.world.spec, obs=_standardised_space(self.world.spec.obs, self.mean, self.std))

    def _shown(self, obs: Any) -> Any:
        return (obs - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        state, obs = self.world.reset(task, key)
        return state, self._shown(obs)

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        state, outcome = self.world.step(state, action, key)
        return state, replace(outcome, next_obs=self._shown(outcome.next_obs))


class HostStandardised(_Around):
    """A host world that shows `(obs - mean) / std`. Histories and replays stay in its own units."""

    def __init__(self, world: Any, mean: Any, std: Any):
        _check_moments(world.spec.obs, _numbers(mean), _numbers(std))
        self.world = world
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        self.spec = replace(world.spec, obs=_standardised_space(world.spec.obs, mean, std))

    def _shown(self, obs: Any) -> Any:
        return (obs - self.mean) / self.std

    def reset(self, indices: Any, seeds: Any, task: Task = ()) -> PyTree:
        return self._shown(self.world.reset(indices, seeds, task))

    def step(self, actions: PyTree) -> Batch:
        batch = self.world.step(actions)
        return batch.replace(next_obs=self._shown(batch.next_obs))

    def replay(self, histories: Any, seeds: Any, task: Task = ()) -> PyTree:
        return self._shown(self.world.replay(histories, seeds, task))

    def restore(self, snapshot: Any) -> PyTree:
        return self._shown(self.world.restore(snapshot))


def _standardised_space(space: Space, mean: Any, std: Any) -> Space:
    assert isinstance(space, Box)
    low, high = space.bounds()
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    return box_from_bounds((low - mean) / std, (high - mean) / std, space.dtype)


def _check_moments(space: Space, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if not isinstance(space, Box) or len(space.shape) != 1 or space.dtype != "float32":
        raise SpaceError(f"Only flat Box observations of float32 are standardised, and these are {space.kind}.")
    if len(mean) != space.size or len(std) != space.size:
        raise SpaceError(f"Moments of {len(mean)} and {len(std)} entries, where an observation has {space.size}.")
    if not all(each > 0 for each in std):
        raise SettingError("A deviation is not above 0; nothing can be divided by it.")


class Frames(eqx.Module):
    """The state of the world within, and its last observations, oldest first on a leading axis."""

    inner: PyTree
    seen: PyTree


class FrameStack(_Around, eqx.Module):
    """A JAX world that shows its last `k` observations, oldest first; at the reset the first one `k` times.

    Boxes are flattened and joined to one of `k` times the size; images are joined along their channels. Entries of a
    Dict likewise, except masks and choices, which show the present. Raises `SpaceError` for other observations.
    """

    world: World
    k: int = eqx.field(static=True)

    def __check_init__(self):
        _check_stack(self.world.spec.obs, self.k, self.world)

    @property
    def spec(self) -> Spec:
        return replace(self.world.spec, obs=stacked_space(self.world.spec.obs, self.k))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Frames, PyTree]:
        inner, obs = self.world.reset(task, key)
        seen = jax.tree.map(lambda x: jnp.broadcast_to(x, (self.k, *jnp.shape(x))), obs)
        return Frames(inner, seen), _joined(self.world.spec.obs, seen, jnp)

    def step(self, state: Frames, action: PyTree, key: PRNGKeyArray) -> tuple[Frames, Outcome]:
        inner, outcome = self.world.step(state.inner, action, key)
        seen = jax.tree.map(lambda past, now: jnp.concatenate([past[1:], now[None]]), state.seen, outcome.next_obs)
        obs = _joined(self.world.spec.obs, seen, jnp)
        return Frames(inner, seen), replace(outcome, next_obs=obs)

    def render(self, state: Frames) -> np.ndarray:
        return self.world.render(state.inner)  # pyright: ignore[reportAttributeAccessIssue]


class HostFrameStack(_Around):
    """A host world that shows the last `k` observations of each copy, as `FrameStack` does."""

    def __init__(self, world: Any, k: int):
        _check_stack(world.spec.obs, k, world)
        self.world, self.k = world, k
        self._space = world.spec.obs
        self.spec = replace(world.spec, obs=stacked_space(self._space, k))
        self._seen: Any = None

    def reset(self, indices: Any, seeds: Any, task: Task = ()) -> PyTree:
        first = self.world.reset(indices, seeds, task)
        if self._seen is None:
            self._seen = jax.tree.map(lambda x: np.zeros((self.world.size, self.k, *x.shape[1:]), x.dtype), first)
        chosen = np.asarray(indices, int)

        def fill(seen: np.ndarray, obs: np.ndarray) -> np.ndarray:
            seen[chosen] = obs[:, None]
            return seen[chosen]

        return _joined_rows(self._space, jax.tree.map(fill, self._seen, first))

    def step(self, actions: PyTree) -> Batch:
        batch = self.world.step(actions)
        self._seen = jax.tree.map(
            lambda past, now: np.concatenate([past[:, 1:], now[:, None]], axis=1), self._seen, batch.next_obs
        )
        return batch.replace(next_obs=_joined_rows(self._space, self._seen))

    def replay(self, histories: Any, seeds: Any, task: Task = ()) -> PyTree:
        """As the world within, with the frames rebuilt too."""
        frames = self.world.replay_frames(histories, seeds, task, last=self.k)  # pyright: ignore[reportAttributeAccessIssue]
        self._seen = jax.tree.map(np.array, frames)
        return _joined_rows(self._space, self._seen)

    def restore(self, snapshot: Any) -> PyTree:
        """As the world within, with the frames rebuilt too."""
        from pilothouse.worlds.host import split_snapshot

        return self.replay(*split_snapshot(snapshot))


def stacked_space(space: Space, k: int) -> Space:
    """What `k` observations look like together."""
    if isinstance(space, DictSpace):
        return DictSpace(
            tuple((name, inner if name == MASK else stacked_space(inner, k)) for name, inner in space.items)
        )
    if not isinstance(space, Box):
        return space
    low, high = (np.stack([bound] * k) for bound in space.bounds())
    return box_from_bounds(_row(low, space, np, 0), _row(high, space, np, 0), space.dtype)


def _joined(space: Space, seen: Any, xp: Any, axis: int = 0) -> Any:
    """Observations with their frames on `axis`, joined as `stacked_space` describes."""
    if isinstance(space, DictSpace):
        return {
            name: seen[name].take(-1, axis) if name == MASK else _joined(inner, seen[name], xp, axis)
            for name, inner in space.items
        }
    return _row(seen, space, xp, axis) if isinstance(space, Box) else seen.take(-1, axis)


def _joined_rows(space: Space, seen: Any) -> Any:
    return _joined(space, seen, np, 1)


def _row(frames: Any, space: Box, xp: Any, axis: int) -> Any:
    """Flat and joined, or joined along the channels of an image."""
    if not space.is_image:
        return frames.reshape(*frames.shape[:axis], -1)
    return xp.concatenate([frames.take(i, axis) for i in range(frames.shape[axis])], axis=-1)


def _check_stack(space: Space, k: int, world: Any) -> None:
    if k < 1:
        raise SettingError(f"A stack of {k} frames; expected at least 1.")
    boxes = [s for n, s in (space.items if isinstance(space, DictSpace) else (("", space),)) if n != MASK]
    if not any(isinstance(each, Box) for each in boxes):
        raise SpaceError(f"Observations of {space.kind} cannot be stacked; expected a Box, or a Dict that holds one.")
    if isinstance(world, FrameStack | HostFrameStack):
        raise SettingError("Frames are stacked already; stack once, with the product of both sizes.")
