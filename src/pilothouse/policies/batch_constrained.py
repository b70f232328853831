"""Acting on action values, but only by actions that a cloned policy finds likely enough (discrete BCQ)."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.objectives.batch_constrained import eligible
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class BatchConstrained(Memoryless):
    """The choice of highest value among those more than `threshold` times as likely as the actor's likeliest.

    **Source:** Fujimoto, Conti, Ghavamzadeh and Pineau, arXiv:1910.01708, equation 18.
    """

    actor: Callable[[PyTree], Any]
    values: Callable[[PyTree], Float[Array, " choices"]]
    threshold: Float[Array, ""] | float

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        allowed = eligible(self.actor(obs).log_probs, self.threshold)
        return jnp.argmax(jnp.where(allowed, self.values(obs), -jnp.inf)).astype(jnp.int32), carry, {}


def batch_constrained(actor: str, critic: str, threshold: float | Array) -> Callable[[Parts], Policy]:
    """The policy over the actor and the critic held in these parts."""
    return lambda parts: BatchConstrained(parts[actor], parts[critic], threshold)
