"""The `Policy` protocol: anything that maps what is observed to what is done.

    action, carry, extra = policy(obs, carry, key)

Pure and for one environment at a time: `vmap` it over many. `carry` holds whatever must be remembered within an
episode (history, a chunk being executed, a skill, a key-value cache), `()` for most. `extra` holds what learning
needs to remember beside the action (`log_prob`, `value`, a denoising chain), `{}` for most.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts

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
    """Acts at random, uniformly over an action space."""

    space: Any = eqx.field(static=True)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del obs
        return self.space.sample(key), carry, {}


def sampled(part: str) -> Callable[[Parts], Policy]:
    """The policy that draws from the actor held in this part."""
    return lambda parts: Sampled(parts[part])


def mode_of(part: str) -> Callable[[Parts], Policy]:
    """The policy that takes the likeliest action of the actor held in this part."""
    return lambda parts: Mode(parts[part])


def uniform_over(space: Any) -> Callable[[Parts], Policy]:
    """The policy that acts at random, whatever the parts."""
    return lambda parts: Random(space)
