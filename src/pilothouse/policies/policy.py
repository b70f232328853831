"""The `Policy` protocol: anything that maps what is observed to what is done.

    action, carry, extra = policy(obs, carry, key)

Pure and for one environment at a time: `vmap` it over many. `carry` holds whatever must be remembered within an
episode (history, a chunk being executed, a skill, a key-value cache), `()` for most. `extra` holds what learning
needs to remember beside the action (`log_prob`, `value`, a denoising chain), `{}` for most.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, DictSpace, choices_of
from pilothouse.networks.actors import box_size, distribution_over
from pilothouse.networks.encoders import mask_in

Carry = PyTree
Extra = dict[str, Any]


@runtime_checkable
class Policy(Protocol):
    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        """The carry an episode of `task` begins with; `carry` is the last episode's, None at the very first."""
        ...

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]: ...


class Memoryless(eqx.Module):
    """Base of policies that remember nothing between steps: their carry is `()`."""

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task, key
        return ()


class Sampled(Memoryless):
    """Draws from the distribution of an actor, and remembers the draw's log-probability as `log_prob`."""

    actor: Callable[[PyTree], Any]

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        distribution = self.actor(obs)
        action = distribution.sample(key)
        return action, carry, {"log_prob": distribution.log_prob(action)}


class Mode(Memoryless):
    """Does what the actor thinks most likely (a Gaussian's mean, a softmax's argmax)."""

    actor: Callable[[PyTree], Any]

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        return self.actor(obs).mode(), carry, {}


class Random(Memoryless):
    """Acts at random, uniformly over an action space, or over what an `action_mask` in the observation allows of it."""

    space: Any = eqx.field(static=True)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        action, mask = self.space.sample(key), mask_in(obs)
        if mask is not None and choices_of(self.space):
            action = _allowed(self.space, action, mask, key)
        return action, carry, {}


def _allowed(space: Any, action: PyTree, mask: Bool[Array, " choices"], key: PRNGKeyArray) -> PyTree:
    """`action` with its choices drawn anew among those that the mask allows; its boxes stay."""
    even = distribution_over(space, jnp.zeros(space.size), jnp.zeros(box_size(space)), mask)
    chosen = even.sample(named(key, "allowed"))
    if not isinstance(space, DictSpace):
        return chosen
    return {name: action[name] if isinstance(inner, Box) else chosen[name] for name, inner in space.items}


def sampled(part: str) -> Callable[[Parts], Policy]:
    """The policy that draws from the actor held in this part."""
    return lambda parts: Sampled(parts[part])


def mode_of(part: str) -> Callable[[Parts], Policy]:
    """The policy that takes the likeliest action of the actor held in this part."""
    return lambda parts: Mode(parts[part])


def uniform_over(space: Any) -> Callable[[Parts], Policy]:
    """The policy that acts at random, whatever the parts."""
    return lambda parts: Random(space)
