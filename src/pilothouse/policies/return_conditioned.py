"""Policies that are told what return to earn."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.policies.policy import Carry, Extra, Policy


class SequencePolicy(eqx.Module):
    """Acts by a sequence actor on the last `length` steps of the episode, and the return that is still to be earned.

    The carry is that stretch: `to_go, obs, action, step, valid`, each with leading axis `[length]`, oldest first. A
    policy is shown no reward, so what is still to be earned goes down by what the model `reward(obs, action)` expects.
    """

    actor: Any
    returns: Any
    reward: Callable[[PyTree, PyTree], Float[Array, " members"]]
    obs: Any = eqx.field(static=True)
    action: Any = eqx.field(static=True)
    length: int = eqx.field(static=True)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task, key

        def room(zeros: PyTree) -> PyTree:
            return jax.tree.map(lambda x: jnp.zeros((self.length, *jnp.shape(x)), jnp.asarray(x).dtype), zeros)

        return {
            "to_go": jnp.zeros(self.length).at[-1].set(self.returns.target),
            "obs": room(self.obs.zeros()),
            "action": room(self.action.zeros()),
            "step": jnp.zeros(self.length, jnp.int32),
            "valid": jnp.zeros(self.length, bool),
        }

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        now = {**carry, "obs": _last(carry["obs"], obs), "valid": carry["valid"].at[-1].set(True)}
        told = self.returns.told(now["to_go"])
        chosen = self.actor(told, now["obs"], now["action"], now["step"], now["valid"]).mode()
        action = jax.tree.map(lambda x: x[-1], chosen)
        left = now["to_go"][-1] - self.reward(obs, action).mean()
        now = {**now, "action": _last(now["action"], action)}
        onward = jax.tree.map(lambda x: jnp.roll(x, -1, axis=0), now)
        onward["to_go"] = onward["to_go"].at[-1].set(left)
        onward["step"] = onward["step"].at[-1].set(now["step"][-1] + 1)
        return action, onward, {}


def _last(stretch: PyTree, value: PyTree) -> PyTree:
    return jax.tree.map(lambda x, new: x.at[-1].set(jnp.asarray(new).astype(x.dtype)), stretch, value)


def sequence_policy(
    spec: Any, length: int, *, actor: str = "actor", returns: str = "returns", reward: str = "reward"
) -> Callable[[Parts], Policy]:
    """The policy over a sequence actor, a scale of returns and a reward model held in these parts."""
    return lambda parts: SequencePolicy(parts[actor], parts[returns], parts[reward], spec.obs, spec.action, length)
