"""A world seen through Gaussian noise: what a policy that will be smoothed is trained in."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.errors import SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Spec
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around


class NoisyObservations(_Around, eqx.Module):
    """The world within, each of its real observations shown with normal noise of deviation `sigma`.

    What is shown as the next observation of a step is what is shown as the observation of the one after: the noise is
    part of what was seen. Raises `SpaceError` for observations that are not real numbers.
    """

    world: World
    sigma: Float[Array, ""] | float

    def __check_init__(self) -> None:
        space: Any = self.world.spec.obs
        if not isinstance(space, Box) or space.dtype != "float32":
            raise SpaceError(f"Noise cannot be added to {space.kind} observations; expected a Box of real numbers.")

    @property
    def spec(self) -> Spec:
        return self.world.spec

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        state, obs = self.world.reset(task, key)
        return state, self._shown(obs, key)

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        state, outcome = self.world.step(state, action, key)
        return state, eqx.tree_at(lambda o: o.next_obs, outcome, self._shown(outcome.next_obs, key))

    def _shown(self, obs: Array, key: PRNGKeyArray) -> Array:
        return obs + self.sigma * jax.random.normal(named(key, "noise"), obs.shape, obs.dtype)
