"""Policies that are no longer what they were: what an explanation of the policy must not be an explanation of."""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from pilothouse.rollout.actors import Responses

Tree = TypeVar("Tree")


def has_weights(policy: object) -> bool:
    """Whether there is an array of two or more dimensions to draw anew."""
    return any(eqx.is_inexact_array(leaf) and leaf.ndim >= 2 for leaf in jax.tree.leaves(policy))


def weights_redrawn(policy: Tree, key: PRNGKeyArray) -> Tree:
    """The same policy with every matrix of weights drawn anew, normal with mean 0 and the root mean square it had.

    Vectors (biases, scales of observations) stay, so that what enters and leaves keeps its size.
    """
    leaves, structure = jax.tree.flatten(policy)
    drawn = [
        jax.random.normal(jax.random.fold_in(key, i), leaf.shape, leaf.dtype) * jnp.sqrt(jnp.mean(leaf**2))
        if eqx.is_inexact_array(leaf) and leaf.ndim >= 2
        else leaf
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, drawn)


def inputs_shuffled(
    function: Responses, centre: Float[np.ndarray, " features"], spread: Float[np.ndarray, " features"], *, seed: int
) -> Responses:
    """The same policy with its features, standardised, shuffled and turned by random signs on their way in.

    For a network that is exactly to permute the columns of its first weights and flip their signs, and it needs nothing
    but the policy's answers.
    """
    generator = np.random.default_rng(seed)
    order, sign = generator.permutation(len(centre)), generator.choice([-1.0, 1.0], len(centre))
    scale = np.where(spread > 0, spread, 1.0)

    def shuffled(rows: np.ndarray) -> np.ndarray:
        standard = ((rows - centre) / scale)[:, order] * sign
        return function((centre + spread * standard).astype(rows.dtype))

    return shuffled
