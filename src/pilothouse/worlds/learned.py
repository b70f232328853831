"""A world made of a learned model: episodes begin where they are told to, and go on as the model draws."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.spaces import Spec
from pilothouse.worlds.world import Outcome, Task

Model = Callable[[PyTree, PyTree, PRNGKeyArray], tuple[PyTree, Array, Array]]
"""`model(obs, action, key) -> (next_obs, reward, terminated)`: a pytree, so that a world can be made of parts."""


class LearnedWorld(eqx.Module):
    """What a model thinks would happen. The state is the observation; a task is `{"start": obs}`, and there is no other.

    Nothing is truncated: whoever acts says for how long.
    """

    model: Model
    spec: Spec = eqx.field(static=True)

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        del key
        return task["start"], task["start"]

    def step(self, state: PyTree, action: Any, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        following, reward, terminated = self.model(state, action, key)
        return following, Outcome(following, reward, terminated, jnp.zeros((), bool))
