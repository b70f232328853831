"""Laws of samplers, over sizes and keys."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.batches import Both, Mixed, Pooled, Sweep, Uniform, Whole, half_and_half
from pilothouse.data.stores import Ring, ring

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)
FEW = settings(deadline=None, max_examples=15)


def stream(rows: int, longest: int) -> Batch:
    """Steps of one environment that counts up; an episode ends after `longest` steps, and the next begins 100 higher.

    So the true next observation is always the observation plus one, and the next row's is not where an episode ends.
    """
    step = np.arange(rows)
    episode, time = step // longest, step % longest
    obs = (100.0 * episode + time).astype(np.float32)
    over = time == longest - 1
    return Batch(
        obs=obs[:, None], next_obs=obs[:, None] + 1, action=np.zeros((rows, 1), np.float32), reward=obs,
        terminated=over & (episode % 2 == 0), truncated=over & (episode % 2 == 1),
        duration=np.ones(rows, np.int32), episode_id=episode.astype(np.int32),
    )  # fmt: skip


def filled(rows: Batch, capacity: int) -> Ring:
    """A ring that got the rows one by one, as a simulator gives them."""

    def add(store: Ring, row: Any) -> Any:
        return store.add(jax.tree.map(lambda x: x[None], row)), None

    return jax.lax.scan(add, ring(SPEC, capacity)(KEY), jax.tree.map(jnp.asarray, rows))[0]


@FEW
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 99))
def test_rows_of_a_ring_stay_whole_across_episode_ends_and_wraps(rows: int, longest: int, seed: int) -> None:
    """What is drawn was written, is among the newest, and keeps its own next observation, end and discount."""
    given_rows, capacity = stream(rows, longest), 5
    parts, key = {"replay": filled(given_rows, capacity)}, jax.random.key(seed)
    sampler = Uniform("replay", 64, 0.9)
    batch, changed = sampler.take(parts, sampler.plan(parts, key, 1)[0], key)
    assert changed == {}
    newest = np.asarray(given_rows.reward)[-capacity:]
    assert set(np.asarray(batch.reward)) <= set(newest)
    np.testing.assert_array_equal(batch.obs[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_obs, batch.obs + 1)
    over = np.asarray(batch.obs[:, 0]) % 100 == longest - 1
    np.testing.assert_array_equal(batch.terminated | batch.truncated, over)
    assert not np.any(batch.terminated & batch.truncated)
    np.testing.assert_allclose(batch.discount, np.where(batch.terminated, 0.0, 0.9))


@FEW
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.data())
def test_a_sweep_covers_each_row_once_an_epoch(
    steps: int, environments: int, epochs: int, times: int, whole: bool, data: st.DataObject
) -> None:
    rows = environments if whole else steps * environments
    minibatches = data.draw(st.sampled_from([n for n in range(1, rows + 1) if rows % n == 0]))
    numbers = jnp.arange(steps * environments).reshape(steps, environments)
    parts = {"rollout": Batch(reward=numbers, terminated=numbers % 2 == 0)}
    sampler = Sweep("rollout", minibatches, epochs, 0.5, whole)
    tickets = sampler.plan(parts, jax.random.key(data.draw(st.integers(0, 99))), times)
    assert tickets.shape == (times * epochs * minibatches, rows // minibatches)
    batches = [sampler.take(parts, ticket, KEY)[0] for ticket in tickets]
    for epoch in range(times * epochs):
        taken = batches[epoch * minibatches : (epoch + 1) * minibatches]
        seen = np.concatenate([np.asarray(batch.reward).reshape(-1) for batch in taken])
        assert sorted(seen) == list(range(steps * environments))
    for batch in batches:
        np.testing.assert_allclose(batch.discount, np.where(np.asarray(batch.reward) % 2 == 0, 0.0, 0.5))
        if whole:  # each row of the batch is one environment's steps, in order
            np.testing.assert_array_equal(np.diff(batch.reward, axis=1), environments)


def test_every_row_is_drawn_equally_often_wherever_the_ring_stands() -> None:
    """Chi-squared over 8 rows: 24.3 is passed once in a thousand draws."""
    for added in (8, 13):
        parts = {"replay": filled(stream(added, 100), 8)}
        tickets = np.asarray(Uniform("replay", 4000).plan(parts, KEY, 2)).ravel()
        counts = np.bincount(tickets, minlength=8)
        assert ((counts - 1000) ** 2 / 1000).sum() < 24.3 and len(counts) == 8


def test_updates_get_draws_of_their_own_and_the_same_key_the_same() -> None:
    parts = {"replay": filled(stream(8, 100), 8)}
    one, two = Uniform("replay", 32).plan(parts, KEY, 2)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, Uniform("replay", 32).plan(parts, KEY, 2)[0])


def test_both_gives_each_its_own_draws_and_passes_on_what_they_write() -> None:
    class Counting:
        """Counts how often it was asked, in a part of its own."""

        reads, writes = ("asked",), ("asked",)

        def plan(self, parts: Any, key: Any, times: int) -> Any:
            return jnp.arange(times)

        def take(self, parts: Any, ticket: Any, key: Any) -> Any:
            return Batch(number=ticket), {"asked": parts["asked"] + 1}

    parts = {"replay": filled(stream(8, 100), 8), "asked": jnp.int32(4)}
    inner = Uniform("replay", 16)
    both = Both({"a": inner, "b": inner, "c": Counting()})
    assert both.reads == ("replay", "replay", "asked") and both.writes == ("asked",)
    tickets = both.plan(parts, KEY, 3)
    assert not np.array_equal(tickets["a"], tickets["b"])
    np.testing.assert_array_equal(tickets["a"], inner.plan(parts, named(KEY, "a"), 3))
    batch, changed = both.take(parts, jax.tree.map(lambda x: x[1], tickets), KEY)
    assert set(batch) == {"a", "b", "c"} and int(batch.c.number) == 1 and int(changed["asked"]) == 5


def test_whole_gives_everything_every_time() -> None:
    rows = stream(6, 3)
    sampler = Whole("data", 0.9)
    tickets = sampler.plan({"data": rows}, KEY, 3)
    assert tickets.shape[0] == 3
    batch, _ = sampler.take({"data": rows}, tickets[2], KEY)
    np.testing.assert_array_equal(batch.obs, rows.obs)
    np.testing.assert_allclose(batch.discount, np.where(rows.terminated, 0.0, 0.9))


def test_a_sweep_that_does_not_divide_is_refused() -> None:
    parts = {"rollout": Batch(reward=jnp.zeros((3, 4)))}
    with pytest.raises(ValueError, match="4 rows cannot be cut into 3"):
        Sweep("rollout", 3, whole=True).plan(parts, KEY, 1)


def two_stores(rows: int, old: int = 6) -> dict[str, Any]:
    """A dataset of `old` rows whose rewards are -1, -2, … (the second is padding), and a part-filled ring of rows 1, 2, …"""
    data = stream(old, 3)
    data = data.replace(reward=-1 - np.arange(old, dtype=np.float32), valid=np.arange(old) != 1, quality=np.ones(old))
    lived = stream(rows, 3)
    return {
        "data": jax.tree.map(jnp.asarray, data),
        "replay": filled(lived.replace(reward=1 + np.arange(rows, dtype=np.float32)), 16),
    }


@FEW
@given(st.integers(1, 16), st.integers(2, 9), st.integers(0, 99))
def test_a_mixed_batch_has_exact_shares_and_no_row_that_was_never_written(rows: int, batch: int, seed: int) -> None:
    parts, sampler = two_stores(rows), half_and_half("data", "replay", batch, 0.5)
    key = jax.random.key(seed)
    tickets = sampler.plan(parts, key, 3)
    for number in range(3):
        found = sampler.take(parts, jax.tree.map(lambda x, n=number: x[n], tickets), key)[0]
        reward = np.asarray(found.reward)
        assert (reward < 0).sum() == batch // 2 and (
            reward > 0
        ).sum() == batch - batch // 2  # an empty row has reward 0
        assert reward.max() <= rows
        assert "quality" not in found  # the ring does not keep it
        np.testing.assert_array_equal(found.valid, reward != -2)
        np.testing.assert_allclose(found.discount, np.where(found.terminated, 0.0, 0.5))
        np.testing.assert_array_equal(found.next_obs, found.obs + 1)  # rows stay whole


@FEW
@given(st.integers(0, 16), st.integers(0, 99))
def test_a_pool_is_drawn_from_in_proportion_to_what_its_stores_hold(rows: int, seed: int) -> None:
    parts, sampler = two_stores(max(rows, 1)), Pooled(("data", "replay"), 4_000, 0.5)
    if not rows:
        parts["replay"] = ring(SPEC, 16)(KEY)
    tickets = sampler.plan(parts, jax.random.key(seed), 1)
    found = sampler.take(parts, jax.tree.map(lambda x: x[0], tickets), KEY)[0]
    reward, counts = np.unique(np.asarray(found.reward), return_counts=True)
    assert set(reward.tolist()) == {*range(-6, 0), *range(1, rows + 1)}  # every row there is, and no other
    share = 1 / (6 + rows)
    assert np.abs(counts / 4_000 - share).max() < 5 * np.sqrt(share / 4_000)
    np.testing.assert_allclose(found.discount, np.where(found.terminated, 0.0, 0.5))
    np.testing.assert_array_equal(found.next_obs, found.obs + 1)


def test_samplers_are_nested() -> None:
    """Half from the data and what was added to them, half from the rest: the two buffers of a method with an overseer."""
    parts = {**two_stores(3), "shown": filled(stream(2, 3).replace(reward=np.float32([50, 51])), 4)}
    sampler = Mixed((Pooled(("data", "shown"), 400, 0.9), Uniform("replay", 400, 0.9)))
    assert sampler.reads == ("data", "shown", "replay") and sampler.writes == ()
    tickets = sampler.plan(parts, KEY, 1)
    found = np.asarray(sampler.take(parts, jax.tree.map(lambda x: x[0], tickets), KEY)[0].reward)
    assert set(found[:400].tolist()) == {-6, -5, -4, -3, -2, -1, 50, 51} and set(found[400:].tolist()) == {1, 2, 3}
