"""Guides: small networks whose output is a weight in another network's loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pilothouse.core.aliases import Initialise
from pilothouse.networks.mlp import MLP


class ConstraintGuide(eqx.Module):
    """A row's loss of improvement and loss of constraint -> the weight of the constraint there, in (0, 2)."""

    net: MLP

    def __call__(self, improvement: Float[Array, ""], constraint: Float[Array, ""]) -> Float[Array, ""]:
        return 2 * jax.nn.sigmoid(self.net(jnp.stack([improvement, constraint]))[0])


def constraint_guide(width: int = 64, depth: int = 2) -> Initialise:
    """Initialises a `ConstraintGuide`."""
    return lambda key: ConstraintGuide(MLP(2, 1, width, depth, key=key))
