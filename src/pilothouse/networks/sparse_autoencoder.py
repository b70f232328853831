"""A sparse autoencoder: activations written as sums of a few directions out of a dictionary."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise


class SparseAutoencoder(eqx.Module):
    """`x` is about `centre` plus the features times their directions; features are never negative.

    Directions are to be kept at length 1 (`unit_directions`): else small features of long directions would be sparse for
    nothing. The encoder begins as the dictionary itself.

    **Source:** Cunningham et al., arXiv:2309.08600, section 2, with the centre that Bricken et al. (2023, "Towards
    monosemanticity") take away before encoding.
    """

    encoder: Float[Array, "inputs units"]
    bias: Float[Array, " units"]
    dictionary: Float[Array, "units inputs"]
    centre: Float[Array, " inputs"]

    def __init__(self, inputs: int, units: int, *, key: PRNGKeyArray):
        drawn = jax.random.normal(key, (units, inputs))
        self.dictionary = drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True)
        self.encoder = self.dictionary.T
        self.bias, self.centre = jnp.zeros(units), jnp.zeros(inputs)

    def encode(self, x: Float[Array, "*rows inputs"]) -> Float[Array, "*rows units"]:
        """The features of activations."""
        return jax.nn.relu((x - self.centre) @ self.encoder + self.bias)

    def decode(self, features: Float[Array, "*rows units"]) -> Float[Array, "*rows inputs"]:
        """The activations that features stand for."""
        return features @ self.dictionary + self.centre

    def unit_directions(self) -> "SparseAutoencoder":
        """The same with every direction scaled to length 1."""
        length = jnp.linalg.norm(self.dictionary, axis=1, keepdims=True)
        return eqx.tree_at(lambda one: one.dictionary, self, self.dictionary / jnp.maximum(length, 1e-8))


def sparse_autoencoder(inputs: int, units: int) -> Initialise:
    """So many directions for activations of this size."""
    return lambda key: SparseAutoencoder(inputs, units, key=key)
