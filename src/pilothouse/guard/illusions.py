"""Adversaries that show a policy another life than the one it lives, and the test that looks for contradictions in it."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.keys import named
from pilothouse.guard.smoothing import blurred
from pilothouse.policies.policy import Carry, Extra, Policy
from pilothouse.worlds.world import World

Predict = Callable[[Array, PyTree], Array]
"""`predict(obs, action) -> next_obs`: what somebody who knows the world expects to see next."""


class Illusory(eqx.Module):
    """The policy within, shown what a simulated copy of the world shows, which begins anew and obeys the policy's actions.

    The copy has the world's own distribution of beginnings and of what follows, so what is shown is distributed as it is
    without an attack; and it says nothing of what is going on. `flaw` is the deviation of normal noise that the adversary
    adds by mistake. The policy acts in the units of `world`. Remembers what was `shown`; draws `illusion` and `flaw`, and
    hands the policy within a key of its own.

    **Source:** Franzmeyer et al., arXiv:2207.10170, section 4 (perfect illusory attacks).
    """

    policy: Policy
    world: World
    flaw: Float[Array, ""] | float = 0.0

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        inner = self.policy.reset(None if carry is None else carry[0], task, named(key, "policy"))
        return inner, *self.world.reset(task, named(key, "illusion"))

    def __call__(self, obs: Array, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del obs
        inner, state, shown = carry
        shown = blurred(shown, self.flaw, named(key, "flaw"))
        action, inner, extra = self.policy(shown, inner, named(key, "policy"))
        state, outcome = self.world.step(state, action, named(key, "illusion"))
        return action, (inner, state, outcome.next_obs), {**extra, "shown": shown}


class Illusion(eqx.Module):
    """The transform `policy -> Illusory(policy, world, flaw)`."""

    world: World
    flaw: Float[Array, ""] | float = 0.0

    def __call__(self, policy: Policy) -> Illusory:
        return Illusory(policy, self.world, self.flaw)


def surprise(predict: Predict, shown: Float[Array, "steps episode *obs"], action: PyTree) -> Float[Array, " episode"]:
    """The mean squared distance between what an episode shows and what was to be expected from the step before.

    `action` has the leading axes of `shown`, one row more than there are transitions to judge; the last is not used.
    """
    expected = jax.vmap(jax.vmap(predict))(shown[:-1], jax.tree.map(lambda x: x[:-1], action))
    gaps = jnp.square(shown[1:] - expected)
    return gaps.reshape(*gaps.shape[:2], -1).sum(axis=-1).mean(axis=0)


def detected(attacked: Float[Array, " one"], clean: Float[Array, " other"]) -> Float[Array, ""]:
    """How often an attacked episode's score is above one without an attack: the area under the curve of a detector.

    0.5 is chance; ties count half.
    """
    higher = (attacked[:, None] > clean).mean()
    return higher + 0.5 * (attacked[:, None] == clean).mean()
