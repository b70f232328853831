"""Disjoint parts of a dataset."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.data.folds import Folds


def test_every_row_is_dealt_once_but_those_over() -> None:
    rows = Batch(reward=jnp.arange(11.0), terminated=jnp.arange(11) == 4)
    sampler, key = Folds("data", 3, 0.9), jax.random.key(0)
    tickets = sampler.plan({"data": rows}, key, 6)
    np.testing.assert_array_equal(tickets, [0, 1, 2, 0, 1, 2])
    taken = [sampler.take({"data": rows}, ticket, key)[0] for ticket in tickets[:3]]
    np.testing.assert_array_equal(np.sort(np.concatenate([part.reward for part in taken])), np.arange(9.0))
    np.testing.assert_array_equal(taken[1].reward, [1.0, 4.0, 7.0])
    np.testing.assert_allclose(taken[1].discount, [0.9, 0.0, 0.9])
    assert [int(part.fold) for part in taken] == [0, 1, 2]


def test_more_parts_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="dealt into 3 parts"):
        Folds("data", 3).take({"data": Batch(reward=jnp.zeros(2))}, jnp.int32(0), jax.random.key(0))
