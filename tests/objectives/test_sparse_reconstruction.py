"""Losses of sparse autoencoders: values by hand, and what makes them 0."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.networks.sparse_autoencoder import SparseAutoencoder, sparse_autoencoder
from pilothouse.objectives.sparse_reconstruction import (
    contrast_loss,
    reconstruct_pairs,
    reconstruct_sparsely,
    sparse_reconstruction_loss,
)

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def network() -> SparseAutoencoder:
    """Right, up and left in the plane, around the point (1, 0)."""
    directions = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    made = sparse_autoencoder(2, 3)(KEY)
    return eqx.tree_at(
        lambda one: (one.dictionary, one.encoder, one.centre),
        made,
        (directions, directions.T, jnp.array([1.0, 0.0])),
    )


def test_features_are_what_lies_along_a_direction_and_never_negative(network) -> None:
    x = jnp.array([[4.0, 2.0], [-1.0, -5.0]])
    np.testing.assert_allclose(network.encode(x), [[3.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    np.testing.assert_allclose(network.decode(network.encode(x)), [[4.0, 2.0], [-1.0, 0.0]])


def test_directions_begin_and_are_kept_at_length_one() -> None:
    made = sparse_autoencoder(5, 7)(KEY)
    np.testing.assert_allclose(jnp.linalg.norm(made.dictionary, axis=1), 1.0, rtol=1e-5)
    longer = eqx.tree_at(lambda one: one.dictionary, made, 3.0 * made.dictionary)
    np.testing.assert_allclose(longer.unit_directions().dictionary, made.dictionary, rtol=1e-5)


def test_reconstruction_by_hand() -> None:
    # (2 - 1)² + (0 - 3)² = 10, and 0.5 (1 + 4) = 2.5
    loss = sparse_reconstruction_loss(jnp.array([2.0, 0.0]), jnp.array([1.0, 3.0]), jnp.array([1.0, 0.0, 4.0]), 0.5)
    assert float(loss) == 12.5


def test_contrast_by_hand_and_what_it_asks_for() -> None:
    one, other = jnp.array([1.0, 2.0, 3.0, 0.5]), jnp.array([4.0, 2.0, 2.0, 0.0])
    assert float(contrast_loss(one, other, 2)) == 3.0 + 6.0  # |1 - 4| + |2 - 2|, then 3 · 2 + 0.5 · 0
    assert float(contrast_loss(one, other, 0)) == 4.0 + 4.0 + 6.0
    assert float(contrast_loss(other, one, 2)) == 9.0  # neither is the better
    apart = jnp.array([[1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 0.0, 7.0]])
    assert float(contrast_loss(apart[0], apart[1], 2)) == 0.0


def test_the_objectives_are_these_losses_over_batches(network) -> None:
    x = jnp.array([[4.0, 2.0], [-1.0, -5.0]])
    # The first row is said without error by features of sum 5, the second misses 25 with a feature of 2.
    loss, aux = reconstruct_sparsely(0.1)({"autoencoder": network}, Batch(x=x), KEY)
    assert float(loss) == pytest.approx((0.5 + 25.2) / 2) and float(aux["autoencoder/active"]) == 1.5
    pair = Batch(one=x[:1], other=x[1:])
    # One common feature: |3 - 0|; of the others 2 · 0 + 0 · 2.
    loss, aux = reconstruct_pairs(0.1, 0.2, 1)({"autoencoder": network}, pair, KEY)
    assert float(loss) == pytest.approx((0.5 + 25.2) / 2 + 0.2 * 3.0) and float(aux["autoencoder/contrast"]) == 3.0
    plain, _ = reconstruct_pairs(0.1, 0.0, 1)({"autoencoder": network}, pair, KEY)
    assert float(plain) == pytest.approx((0.5 + 25.2) / 2)  # without contrast, the plain one
