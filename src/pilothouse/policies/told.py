"""`Told`: a policy that was taught beside a voice, where there is none, with the voice brought along."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.policies.policy import Carry, Extra, Policy


class Told(eqx.Module):
    """The policy within, shown `message(obs)` behind each observation; on the outside it observes the world's own."""

    policy: Policy
    message: Callable[[Array], Array]

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: Array, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        return self.policy(jnp.concatenate([obs, self.message(obs)]), carry, key)
