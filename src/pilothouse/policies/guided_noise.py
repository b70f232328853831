"""Trying out what the examples do: noise around a policy that spreads the way in which the two differ."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts, Scalar
from pilothouse.core.keys import named
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class GuidedNoise(Memoryless):
    """A policy's action plus `amount` times normal noise of covariance L L', kept within [-1, 1]. `spread` gives L.

    **Source:** Dong, Lessing, Chen and Finn (DGN), arXiv:2506.07505.
    """

    policy: Policy
    spread: Callable[[PyTree], Float[Array, "entries entries"]]
    amount: Float[Array, ""] | float

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        action, carry, _ = self.policy(obs, carry, key)
        factor = self.spread(obs)
        noise = (factor @ jax.random.normal(named(key, "guided"), (factor.shape[0],))).reshape(action.shape)
        return jnp.clip(action + self.amount * noise, -1.0, 1.0), carry, {}


def guided(
    policy: Callable[[Parts], Policy], spread: str, amount: Callable[[Parts], Scalar]
) -> Callable[[Parts], Policy]:
    """The policy of these parts with noise of the covariance in this part, as much of it as `amount(parts)` says."""
    return lambda parts: GuidedNoise(policy(parts), parts[spread], amount(parts))


def fading(fraction: float | Array, start: float | Array = 1.0) -> Callable[[Parts], Scalar]:
    """From `start` to 0 in a straight line over this fraction of the run; `start` where no clock is told."""

    def amount(parts: Parts) -> Scalar:
        if "clock" not in parts:
            return jnp.asarray(start)
        return start * jnp.clip(1.0 - parts["clock"]["progress"] / fraction, 0.0, 1.0)

    return amount
