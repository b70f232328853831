"""Adversaries that say where to move an observation, step by step, and the policy that is shown what they make of it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Scalar
from pilothouse.core.keys import named
from pilothouse.guard.adversaries import projected_ascent
from pilothouse.policies.policy import Carry, Extra, Policy

Move = Callable[[Array, PRNGKeyArray], Array]
"""`move(obs, key) -> the observation's shape, entries in [-1, 1]`: in units of the radius that is allowed."""


class Shown(eqx.Module):
    """The policy within, shown each observation moved by `radius` times what `move` says of it.

    So each entry moves by at most `radius`. Remembers the `move` made; draws `adversary`, and hands the policy within a
    key of its own.
    """

    policy: Policy
    move: Move
    radius: Float[Array, ""] | float

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: Array, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        move = self.radius * jnp.clip(self.move(obs, named(key, "adversary")), -1.0, 1.0)
        action, carry, extra = self.policy(obs + move, carry, named(key, "policy"))
        return action, carry, {**extra, "move": move}


class Anywhere(eqx.Module):
    """A move drawn evenly from the box."""

    def __call__(self, obs: Array, key: PRNGKeyArray) -> Array:
        return jax.random.uniform(key, obs.shape, obs.dtype, -1.0, 1.0)


class Learned(eqx.Module):
    """The move that a network thinks best, without drawing."""

    network: Callable[[Array], Any]

    def __call__(self, obs: Array, key: PRNGKeyArray) -> Array:
        del key
        return self.network(obs).mode()


class Climbed(eqx.Module):
    """The move to where `aim(obs, shown)` is greatest, as far as projected ascent in the box of `radius` finds it."""

    aim: Callable[[Array, Array], Scalar]
    radius: Float[Array, ""] | float
    steps: int = eqx.field(static=True, default=10)

    def __call__(self, obs: Array, key: PRNGKeyArray) -> Array:
        shown = projected_ascent(lambda other: self.aim(obs, other), obs, self.radius, key, steps=self.steps)
        return (shown - obs) / jnp.maximum(jnp.asarray(self.radius), 1e-12)


class Harm(eqx.Module):
    """An aim: that the victim's own critic, its lower member, thinks little of what it does when it is shown something else.

    **Source:** after Pattanaik et al., arXiv:1712.03632 (the gradient-based attack on actors with critics).
    """

    actor: Callable[[Array], Any]
    critic: Callable[[Array, PyTree], Array]

    def __call__(self, obs: Array, shown: Array) -> Scalar:
        return -self.critic(obs, self.actor(shown).mode()).min()


class Likeness(eqx.Module):
    """An aim: that the victim, when it is shown something else, does what `intention` would do here. Squared and summed."""

    actor: Callable[[Array], Any]
    intention: Callable[[Array], Any]

    def __call__(self, obs: Array, shown: Array) -> Scalar:
        return -jnp.sum(jnp.square(self.actor(shown).mode() - self.intention(obs).mode()))
