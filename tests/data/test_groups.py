"""Rows of one group: none of the other, each as often as the next."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.groups import Where


def test_rows_of_one_group_evenly_with_their_discount() -> None:
    rows = Batch(
        obs=jnp.arange(7.0)[:, None], reward=jnp.array([0.0, 1, 1, 0, 0, 1, 0]), terminated=jnp.arange(7) == 5,
        duration=jnp.ones(7, jnp.int32),
    )  # fmt: skip
    parts, key = {"data": rows}, jax.random.key(0)
    ones = Where("data", 5, 0.9, holds=lambda rows: rows.reward > 0)
    tickets = ones.plan(parts, key, 400)
    assert tickets.shape == (400, 5) and ones.reads == ("data",)
    places, counts = np.unique(tickets, return_counts=True)
    np.testing.assert_array_equal(places, [1, 2, 5])
    np.testing.assert_allclose(counts / counts.sum(), 1 / 3, atol=0.04)
    batch, written = ones.take(parts, jnp.array([2, 5]), key)
    np.testing.assert_allclose(batch.discount, [0.9, 0.0])
    assert not written
    others = Where("data", 8, holds=lambda rows: rows.reward == 0).plan(parts, key, 50)
    np.testing.assert_array_equal(np.unique(others), [0, 3, 4, 6])
