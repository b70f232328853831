"""Rings and samplers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.batches import Both, Sweep, Uniform, Whole, shuffled, with_discount
from pilothouse.data.stores import Ring, gather, ring, size_of

SPEC = Spec(Box((1,), -1.0, 1.0), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)


def rows(numbers: list[int], valid: list[bool] | None = None) -> Batch:
    count = len(numbers)
    made = Batch(
        obs=jnp.asarray(numbers, jnp.float32)[:, None], action=jnp.zeros((count, 1)),
        reward=jnp.asarray(numbers, jnp.float32), next_obs=jnp.zeros((count, 1)), terminated=jnp.zeros(count, bool),
        truncated=jnp.zeros(count, bool), duration=jnp.ones(count, jnp.int32), episode_id=jnp.zeros(count, jnp.int32),
    )  # fmt: skip
    return made if valid is None else made.replace(valid=jnp.asarray(valid))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=8))
def test_a_ring_holds_the_newest_valid_rows(adds: list[list[bool]]) -> None:
    """Against a list that forgets its oldest; adds of one row take a path of their own."""
    store: Ring = ring(SPEC, 5)(KEY)
    kept: list[int] = []
    number = 1
    for valid in adds:
        numbers = list(range(number, number + len(valid)))
        number += len(valid)
        store = store.add(rows(numbers, valid))
        kept = (kept + [n for n, good in zip(numbers, valid, strict=True) if good])[-5:]
        assert int(size_of(store)) == len(kept)
        assert sorted(np.asarray(store.rows.reward)[: len(kept)].tolist()) == sorted(kept)


def test_a_row_that_is_not_valid_overwrites_nothing() -> None:
    store = ring(SPEC, 2)(KEY).add(rows([1, 2]))
    after = store.add(rows([9], [False]))
    np.testing.assert_array_equal(after.rows.reward, [1, 2])
    assert int(after.added) == 2
    with pytest.raises(ValueError, match="3 rows do not fit a ring of 2"):
        store.add(rows([1, 2, 3]))


def test_uniform_draws_filled_rows_alone_and_all_alike() -> None:
    store = ring(SPEC, 100)(KEY).add(rows([1, 2, 3, 4]))
    sampler = Uniform("replay", 1000)
    tickets = sampler.plan({"replay": store}, KEY, 4)
    assert tickets.shape == (4, 1000)
    batch, _ = sampler.take({"replay": store}, tickets[0], KEY)
    counts = np.bincount(np.asarray(batch.reward, int), minlength=5)
    assert counts[0] == 0 and (np.abs(counts[1:] - 250) < 5 * np.sqrt(250)).all()
    np.testing.assert_array_equal(gather(store, jnp.array([2, 0])).reward, [3, 1])


def test_discounts_by_hand() -> None:
    given_ = rows([1, 2, 3]).replace(
        terminated=jnp.array([False, True, False]),
        truncated=jnp.array([False, False, True]),
        duration=jnp.array([1, 1, 3]),
    )
    np.testing.assert_allclose(with_discount(given_, 0.5).discount, [0.5, 0.0, 0.125])
    assert "discount" not in with_discount(given_, None)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5000), st.integers(0, 1000))
def test_shuffled_is_a_permutation(number: int, seed: int) -> None:
    found = np.asarray(shuffled(number, key=jax.random.key(seed)))
    assert found.dtype == np.int32 and (np.sort(found) == np.arange(number)).all()


def test_all_orders_are_equally_likely() -> None:
    orders = np.asarray(jax.vmap(lambda key: shuffled(4, key=key))(jax.random.split(KEY, 24_000)))
    counts = np.unique(orders @ [1000, 100, 10, 1], return_counts=True)[1]
    assert len(counts) == 24 and (np.abs(counts - 1000) < 5 * np.sqrt(1000)).all()
    big = np.asarray(jax.vmap(lambda key: shuffled(3000, key=key))(jax.random.split(KEY, 50)))
    assert abs(big[:, 0].mean() - 1499.5) < 5 * 866 / np.sqrt(50)


def rollout(steps: int, environments: int) -> Batch:
    numbers = jnp.arange(steps * environments).reshape(steps, environments)
    return Batch(reward=numbers.astype(jnp.float32), obs=numbers[..., None], task={"prompt": jnp.arange(environments)})


def test_a_sweep_sees_every_row_once_an_epoch() -> None:
    parts = {"rollout": rollout(4, 3)}
    sampler = Sweep("rollout", minibatches=3, epochs=2)
    tickets = sampler.plan(parts, KEY, 1)
    seen = [np.asarray(sampler.take(parts, ticket, KEY)[0].reward) for ticket in tickets]
    assert [len(batch) for batch in seen] == [4] * 6
    for epoch in (seen[:3], seen[3:]):
        assert sorted(np.concatenate(epoch)) == list(range(12))
    assert not np.array_equal(np.concatenate(seen[:3]), np.concatenate(seen[3:]))
    with pytest.raises(ValueError, match="12 rows cannot be cut into 5"):
        Sweep("rollout", minibatches=5).plan(parts, KEY, 1)


def test_whole_episodes_stay_together_with_their_task() -> None:
    parts = {"rollout": rollout(4, 3)}
    sampler = Sweep("rollout", minibatches=3, whole=True)
    for ticket in sampler.plan(parts, KEY, 1):
        batch, _ = sampler.take(parts, ticket, KEY)
        environment = int(batch.task["prompt"][0])
        np.testing.assert_array_equal(batch.reward, [np.arange(4) * 3 + environment])


def test_both_and_whole() -> None:
    store = ring(SPEC, 4)(KEY).add(rows([1, 2, 3, 4]))
    parts = {"replay": store, "data": rows([7, 8])}
    both = Both({"new": Uniform("replay", 3), "old": Whole("data", 0.9)})
    assert both.reads == ("replay", "data") and both.writes == ()
    batch, _ = both.take(parts, jax.tree.map(lambda x: x[0], both.plan(parts, KEY, 2)), KEY)
    assert batch["new"].reward.shape == (3,)
    np.testing.assert_array_equal(batch["old"].reward, [7, 8])
    np.testing.assert_allclose(batch["old"].discount, 0.9)
