"""A policy in the source's own units, around one in the units that recipes see."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.spaces import Spec, from_unit, within
from pilothouse.policies.policy import Carry, Extra, Policy


class Scaled(eqx.Module):
    """Standardises observations on the way in, and takes bounded Box actions from [-1, 1] to `spec.action`'s units.

    This is what is evaluated and saved: it needs nothing from outside to be used. `mean` and `std` are given for flat
    float observations, or both are None. Actions are clipped to such bounds as they have, those of a Dict each to its own.
    """

    policy: Policy
    mean: Float[Array, " obs"] | None
    std: Float[Array, " obs"] | None
    spec: Spec = eqx.field(static=True)

    def __init__(self, policy: Policy, spec: Spec, mean: Any = None, std: Any = None):
        self.policy, self.spec = policy, spec
        self.mean = None if mean is None else jnp.asarray(mean, jnp.float32)
        self.std = None if std is None else jnp.asarray(std, jnp.float32)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        if self.mean is not None:
            obs = (obs - self.mean) / self.std
        action, carry, extra = self.policy(obs, carry, key)
        return within(self.spec.action, from_unit(self.spec.action, action)), carry, extra
