"""One policy that begins every episode, and another that ends it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.keys import named
from pilothouse.policies.policy import Carry, Extra, Policy


class JumpStart(eqx.Module):
    """`guide` acts for the first `steps` steps of an episode, `learner` from there on. Both watch the whole of it.

    Remembers `guided`: whether this step was the guide's. Nothing else that the two remember is kept.

    **Source:** Uchendu et al., arXiv:2204.02372, section 4.
    """

    guide: Policy
    learner: Policy
    steps: Int[Array | np.ndarray, ""] | int

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        _, guides, learners = carry if carry is not None else (None, None, None)
        first = self.guide.reset(guides, task, named(key, "guide")), self.learner.reset(learners, task, key)
        return jnp.zeros((), jnp.int32), *first

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        done, guides, learners = carry
        one, guides, _ = self.guide(obs, guides, named(key, "guide"))
        other, learners, _ = self.learner(obs, learners, key)
        guided = done < self.steps
        action = jax.tree.map(lambda a, b: jnp.where(guided, a, b), one, other)
        return action, (done + 1, guides, learners), {"guided": guided}


def jump_started(
    guide: Callable[[Parts], Policy], learner: Callable[[Parts], Policy], steps: Callable[[Parts], Any]
) -> Callable[[Parts], Policy]:
    """The policy of both, with as many steps for the guide as the parts say."""
    return lambda parts: JumpStart(guide(parts), learner(parts), steps(parts))


class DrawnStart(eqx.Module):
    """`JumpStart` with as many steps for the guide as are drawn for each episode, evenly from 0 to `longest`.

    Draws `steps` when an episode begins.
    """

    guide: Policy
    learner: Policy
    longest: int = eqx.field(static=True)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        steps = jax.random.randint(named(key, "steps"), (), 0, self.longest + 1)
        return steps, self._with(steps).reset(None if carry is None else carry[1], task, key)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        steps, inner = carry
        action, inner, extra = self._with(steps)(obs, inner, key)
        return action, (steps, inner), extra

    def _with(self, steps: Array) -> JumpStart:
        return JumpStart(self.guide, self.learner, steps)
