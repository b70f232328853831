"""Policies that try things out: noise on a deterministic action, a random choice now and then."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.keys import named
from pilothouse.networks.encoders import mask_in
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class GaussianExploration(Memoryless):
    """An actor's likeliest action plus normal noise, kept within [-1, 1]. `noise` is its deviation in unit actions."""

    actor: Callable[[PyTree], Any]
    noise: Float[Array, ""] | float

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        action = self.actor(obs).mode()
        return jnp.clip(action + self.noise * jax.random.normal(key, action.shape), -1.0, 1.0), carry, {}


class Greedy(Memoryless):
    """The allowed choice of highest value; with probability `epsilon` any allowed choice."""

    values: Callable[[PyTree], Float[Array, " choices"]]
    epsilon: Float[Array, ""] | float = eqx.field(default=0.0)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        values, mask = self.values(obs), mask_in(obs)
        allowed = jnp.ones(values.shape, bool) if mask is None else mask
        best = jnp.argmax(jnp.where(allowed, values, -jnp.inf))
        other = jax.random.categorical(named(key, "choice"), jnp.where(allowed, 0.0, -jnp.inf))
        explore = jax.random.uniform(named(key, "explore")) < self.epsilon
        return jnp.where(explore, other, best).astype(jnp.int32), carry, {}


def noisy(part: str, noise: float | Array) -> Callable[[Parts], Policy]:
    """The actor of this part, with normal noise on its action."""
    return lambda parts: GaussianExploration(parts[part], noise)


def greedy(part: str) -> Callable[[Parts], Policy]:
    """The choice that the network of this part values most."""
    return lambda parts: Greedy(parts[part])


def epsilon_greedy(
    part: str, start: float | Array, end: float | Array, fraction: float | Array
) -> Callable[[Parts], Policy]:
    """Greedy, but random with a probability that falls from `start` to `end` over this fraction of the run."""

    def policy(parts: Parts) -> Policy:
        done = jnp.clip(parts["clock"]["progress"] / fraction, 0.0, 1.0) if "clock" in parts else 0.0
        return Greedy(parts[part], start + (end - start) * done)

    return policy
