"""Losses on features: the numbers of the loss on what the encoder says, and no gradient by way of the next picture."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.features import on_features


class Scale(eqx.Module):
    by: jax.Array

    def __call__(self, obs):
        return self.by * obs


def test_a_loss_sees_what_the_encoder_says_and_teaches_it_by_what_is_now_alone():
    def loss(parts, batch, key):
        return (parts["weight"] * batch.obs + batch.next_obs).sum(), {}

    parts = {"encoder": Scale(jnp.array(2.0)), "weight": jnp.array(3.0)}
    rows = Batch(obs=jnp.array([[1.0], [2.0]]), next_obs=jnp.array([[5.0], [7.0]]))

    def total(parts):
        return on_features(loss)(parts, rows, jax.random.key(0))[0]

    value, slope = jax.value_and_grad(total)(parts)
    assert float(value) == 3 * 2 * 3 + 2 * 12  # weight * scale * (1 + 2), and scale * (5 + 7)
    np.testing.assert_allclose(slope["encoder"].by, 3 * 3)  # not 3 * 3 + 12
    np.testing.assert_allclose(slope["weight"], 2 * 3)
