"""Worlds of two groups of episodes whose physics differs, where the observation says which group it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.errors import SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Spec, box_from_bounds
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around


@jax.tree_util.register_static
@dataclass(frozen=True)
class WindyCartPole(CartPole):
    """CartPole with a constant push of `wind` (N, to the right if positive) beside that of the action."""

    wind: float = 0.0

    def _after(self, body: Float[Array, "4"], push: Array) -> Float[Array, "4"]:
        return super()._after(body, push + self.wind)


class InGroup(eqx.Module):
    """The state of the world within, and whether this episode is of the foreground."""

    inner: PyTree
    foreground: Bool[Array, ""]


class GroupedWorld(_Around, eqx.Module):
    """A JAX world some of whose episodes, the foreground, have other constants. The last entry observed is 1 in these, else 0.

    `foreground` are those constants by name; `share` is the chance of an episode to be of the foreground, unless its task
    (a dict) says `foreground` itself. The world within takes tasks that are dicts of constants. Draws `group`.

    **Raises:** `SpaceError` unless the world shows one flat Box.
    """

    world: World
    foreground: tuple[tuple[str, float], ...] = eqx.field(static=True)
    share: float = eqx.field(static=True, default=0.5)

    def __check_init__(self) -> None:
        space = self.world.spec.obs
        if not isinstance(space, Box) or len(space.shape) != 1:
            raise SpaceError(f"A group is shown beside one flat Box, and this world shows {space}.")

    @property
    def spec(self) -> Spec:
        low, high = self.world.spec.obs.bounds()  # pyright: ignore[reportAttributeAccessIssue]
        with_group = box_from_bounds(np.append(low, 0.0), np.append(high, 1.0), "float32")
        return replace(self.world.spec, obs=with_group)

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[InGroup, Float[Array, " obs"]]:
        given = dict(task) if isinstance(task, Mapping) else {}
        drawn = jax.random.bernoulli(named(key, "group"), self.share)
        foreground = jnp.asarray(given.pop("foreground", drawn), bool)
        constants = {name: jnp.where(foreground, value, getattr(self.world, name)) for name, value in self.foreground}
        inner, obs = self.world.reset({**constants, **given}, key)
        return InGroup(inner, foreground), _shown(obs, foreground)

    def step(self, state: InGroup, action: PyTree, key: PRNGKeyArray) -> tuple[InGroup, Outcome]:
        inner, outcome = self.world.step(state.inner, action, key)
        return InGroup(inner, state.foreground), replace(outcome, next_obs=_shown(outcome.next_obs, state.foreground))

    def render(self, state: InGroup) -> Any:
        return self.world.render(state.inner)  # pyright: ignore[reportAttributeAccessIssue]


def _shown(obs: Float[Array, " obs"], foreground: Bool[Array, ""]) -> Float[Array, " obs_and_group"]:
    return jnp.append(obs, foreground.astype(jnp.float32))
