"""Policies that are told what return to earn in how many steps, and are told anew at every step what is left of it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.keys import named
from pilothouse.networks.distributions import Categorical
from pilothouse.policies.policy import Carry, Extra

Behaviour = Callable[[PyTree, Float[Array, " 2"]], Categorical]
"""`(obs, command) -> choices`."""


class Orders(eqx.Module):
    """What episodes are told: a return drawn between two, so many steps; and what a step is thought to earn."""

    low: Float[Array, ""]
    high: Float[Array, ""]
    steps: Float[Array, ""]
    reward: Float[Array, ""]


class Commanded(eqx.Module):
    """Obeys a command. The carry is what is left of it: the return to come, and the steps (never below 1).

    A policy is shown no reward: what is left to earn falls by what a step is thought to earn. `epsilon` is the share of
    choices drawn evenly; the others are the likeliest, or drawn as the behaviour has it where `drawn`.
    """

    behaviour: Any
    orders: Orders
    epsilon: Any = 0.0
    drawn: bool = eqx.field(static=True, default=False)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task
        return jnp.stack(
            [jax.random.uniform(key, (), minval=self.orders.low, maxval=self.orders.high), self.orders.steps]
        )

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        choices = self.behaviour(obs, carry)
        action = choices.sample(named(key, "choice")) if self.drawn else choices.mode()
        any_of_them = jax.random.randint(named(key, "any"), (), 0, choices.log_probs.shape[-1])
        stray = jax.random.uniform(named(key, "stray")) < self.epsilon
        left = jnp.stack([carry[0] - self.orders.reward, jnp.maximum(carry[1] - 1.0, 1.0)])
        return jnp.where(stray, any_of_them, action).astype(jnp.int32), left, {}
