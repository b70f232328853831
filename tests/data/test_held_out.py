"""Rows kept back are never learned from, and all others are."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.held_out import AllBut, kept_back


def test_every_row_is_either_kept_back_or_drawn() -> None:
    for count in (9, 20, 23):
        rows = Batch(obs=jnp.arange(count), reward=jnp.zeros(count))
        drawn = np.unique(AllBut("data", 2_000, 5).plan({"data": rows}, jax.random.key(0), 1))
        back = np.asarray(kept_back(rows, 5, 100).obs)
        np.testing.assert_array_equal(back, np.arange(4, count, 5))
        np.testing.assert_array_equal(np.sort(np.concatenate([drawn, back])), np.arange(count))
    few = Batch(obs=jnp.arange(3))
    np.testing.assert_array_equal(kept_back(few, 5, 100).obs, [0, 1, 2])
