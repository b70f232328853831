"""A JAX world behind the face of a host world, for policies that cannot be traced."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.worlds.world import Task, World, as_host


class OnHost:
    """`size` copies of a JAX world as a `HostWorld`: the same physics, one compiled step at a time.

    An episode follows from its seed (its task too, where the world draws tasks and none is given). A copy whose episode
    is over stands still until it is reset: the same observation and flags again, reward 0.
    """

    def __init__(self, world: World, size: int, name: str = "the world"):
        self.world, self.size, self.name = world, size, name
        self.spec: Spec = world.spec
        self.horizon: int | None = getattr(world, "horizon", None)
        self.observation_names: tuple[str, ...] | None = getattr(world, "observation_names", None)
        self._state: Any = None
        self._reset, self._step = _programs(world)

    def reset(self, indices: Sequence[int], seeds: Sequence[int], task: Task = ()) -> PyTree:
        """Begin new episodes in these copies, each with its own seed; returns observations of `len(indices)`."""
        at = np.asarray(indices, np.int64)
        fresh = self._reset(np.asarray([int(seed) & 0xFFFFFFFF for seed in seeds], np.uint32), task)
        if self._state is None:
            filled = np.zeros(self.size, np.int64)
            filled[at] = np.arange(len(at))
            self._state = jax.tree.map(lambda x: x[filled], fresh)
        else:
            self._state = jax.tree.map(lambda old, new: old.at[at].set(new), self._state, fresh)
        return as_host(fresh["obs"])

    def step(self, actions: PyTree) -> Batch:
        """Step every copy once: `next_obs, reward, terminated, truncated`, fresh arrays."""
        if (given := len(jax.tree.leaves(actions)[0])) != self.size:
            raise SpaceError(f"{given} actions for {self.size} copies of {self.name}; give one for each copy.")
        self._state, reward = self._step(self._state, actions)
        flags = {name: np.array(self._state[name]) for name in ("terminated", "truncated")}
        return Batch(next_obs=jax.tree.map(np.array, self._state["obs"]), reward=np.array(reward), **flags)

    def render(self, index: int = 0) -> np.ndarray:
        """A picture of one copy. Raises `SettingError` for a world that cannot be drawn."""
        draw = getattr(self.world, "render", None)
        if draw is None or self._state is None:
            raise SettingError(f"{self.name} cannot be drawn{'' if draw is None else ' before it is reset'}.")
        return np.asarray(draw(jax.tree.map(lambda x: np.asarray(x[index]), self._state["state"])))

    def close(self) -> None:
        """Nothing is held open."""


def _programs(world: World) -> tuple[Any, Any]:
    """Resetting and stepping, compiled; equal worlds share what was compiled for one of them."""
    try:
        return _shared_programs(world)
    except TypeError:  # a world that holds arrays cannot be looked up
        return jax.jit(partial(_begin, world)), jax.jit(partial(_advance, world))


@lru_cache(maxsize=16)
def _shared_programs(world: World) -> tuple[Any, Any]:
    return jax.jit(partial(_begin, world)), jax.jit(partial(_advance, world))


def _begin(world: World, seeds: Array, task: Task) -> dict[str, Any]:
    def one(seed: Array, task: Task) -> dict[str, Any]:
        key = jax.random.key(seed)
        if isinstance(task, tuple) and not task and hasattr(world, "sample_task"):
            task = world.sample_task(named(key, "task"))  # pyright: ignore[reportAttributeAccessIssue]
        state, obs = world.reset(task, named(key, "reset"))
        no = jnp.zeros((), bool)
        return {"state": state, "obs": obs, "key": key, "time": 0, "terminated": no, "truncated": no}

    return jax.vmap(one)(seeds, task)


def _advance(world: World, standing: dict[str, Any], actions: PyTree) -> tuple[dict[str, Any], Array]:
    def one(now: dict[str, Any], action: PyTree) -> tuple[dict[str, Any], Array]:
        key = jax.random.fold_in(named(now["key"], "step"), now["time"])
        state, outcome = world.step(now["state"], action, key)
        after = {
            "state": state,
            "obs": outcome.next_obs,
            "key": now["key"],
            "time": now["time"] + 1,
            "terminated": outcome.terminated,
            "truncated": outcome.truncated,
        }
        over = now["terminated"] | now["truncated"]
        after = jax.tree.map(lambda old, new: jnp.where(over, old, new), now, after)
        return after, jnp.where(over, 0.0, outcome.reward)

    return jax.vmap(one)(standing, actions)
