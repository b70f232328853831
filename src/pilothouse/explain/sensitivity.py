"""How much a policy's action moves when one entry of what it observed moves by its own spread."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.spaces import Box, Space
from pilothouse.explain.gradients import action_of, gradient
from pilothouse.policies.policy import Carry, Policy

SIDES = 8
"""Perturbations of each sign by which the sensitivity of a choice is found."""


def action_sensitivity(
    policy: Policy,
    space: Space,
    obs: Float[Array, "time features"],
    carries: Carry,
    scale: Float[Array, " features"],
    key: PRNGKeyArray,
) -> Float[Array, "time features"]:
    """For each moment and feature, at least 0.

    Where actions are a box: the sum over entries of the action of the absolute gradient, times `scale` (that of the
    feature over an episode, say). Where they are choices, which have no gradient: the share of perturbations of up to
    two scales that change the choice.

    **Arguments:** `carries` has a leading axis of time; the policy's dice are held fixed by `key`.
    """
    if isinstance(space, Box):

        def one(seen: Any, carry: PyTree) -> Any:
            return jnp.abs(gradient(action_of(policy, carry, key), seen)).sum(axis=0) * scale
    else:
        sides = jnp.linspace(2.0 / SIDES, 2.0, SIDES)
        moves = jnp.concatenate([sides, -sides])

        def one(seen: Any, carry: PyTree) -> Any:
            function = action_of(policy, carry, key)
            chosen = function(seen)

            def share(feature: Any) -> Any:
                moved = jax.vmap(lambda by: function(seen.at[feature].add(by * scale[feature])))(moves)
                return (moved != chosen).any(axis=-1).mean()

            return jax.vmap(share)(jnp.arange(len(seen)))

    return jax.vmap(one)(obs, carries)
