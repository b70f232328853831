"""Rows are labelled when they are drawn, by the parts as they then are."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.batches import Mixed, Uniform
from pilothouse.data.relabelled import Relabelled

KEY = jax.random.key(0)
ROWS = Batch(obs=jnp.arange(5.0), reward=jnp.full(5, jnp.nan))


def test_labels_follow_the_parts_and_rows_are_those_of_the_sampler_within():
    inner = Uniform("data", 4)
    sampler = Relabelled(inner, lambda parts, rows: rows.replace(reward=parts["scale"] * rows.obs))
    assert (sampler.reads, sampler.writes) == (("data",), ())
    parts = {"data": ROWS, "scale": 2.0}
    tickets = sampler.plan(parts, KEY, 3)
    np.testing.assert_array_equal(tickets, inner.plan(parts, KEY, 3))
    for scale in (2.0, -1.0):
        rows, changes = sampler.take({"data": ROWS, "scale": scale}, tickets[1], KEY)
        plain, _ = inner.take(parts, tickets[1], KEY)
        np.testing.assert_array_equal(rows.obs, plain.obs)
        np.testing.assert_array_equal(rows.reward, scale * plain.obs)
        assert changes == {}


def test_half_of_a_batch_may_be_labelled():
    mixed = Mixed(
        (Relabelled(Uniform("data", 2), lambda parts, rows: rows.replace(reward=rows.obs)), Uniform("lived", 3))
    )
    parts = {"data": ROWS, "lived": ROWS.replace(reward=jnp.full(5, -1.0))}
    rows, _ = mixed.take(parts, jax.tree.map(lambda x: x[0], mixed.plan(parts, KEY, 1)), KEY)
    np.testing.assert_array_equal(rows.reward, [*rows.obs[:2], -1, -1, -1])
