"""A world with a voice in it: messages that depend on what is observed stand beside it, and change nothing else."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Spec
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around


def with_messages(spec: Spec, symbols: int) -> Spec:
    """The spec whose flat observation ends in so many more numbers, without bounds.

    Raises `SpaceError` for anything but a flat Box of real numbers.
    """
    space: Any = spec.obs
    if not isinstance(space, Box) or space.dtype != "float32" or len(space.shape) != 1:
        raise SpaceError(f"Messages stand beside a flat Box of real numbers; these observations are {space.kind}.")
    return Spec(Box((space.size + symbols,)), spec.action, spec.extra)


class CheapTalk(_Around, eqx.Module):
    """The world within, each observation followed by `message(obs)`: `symbols` numbers that say nothing new.

    Neither what happens nor what is rewarded depends on them; a learner that knew this would ignore them.

    **Source:** Lu et al., "Adversarial Cheap Talk", arXiv:2211.11030, section 3 (the cheap talk MDP).
    """

    world: World
    message: Callable[[Float[Array, " obs"]], Float[Array, " symbols"]]
    symbols: int = eqx.field(static=True)

    @property
    def spec(self) -> Spec:
        return with_messages(self.world.spec, self.symbols)

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        state, obs = self.world.reset(task, key)
        return state, self._said(obs)

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        state, outcome = self.world.step(state, action, key)
        return state, eqx.tree_at(lambda o: o.next_obs, outcome, self._said(outcome.next_obs))

    def _said(self, obs: Array) -> Array:
        return jnp.concatenate([obs, self.message(obs)])
