"""Stretches of episodes: returns-to-go by hand and by a slow twin, and no stretch that reaches into another episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.data.trajectories import Futures, Trajectories, episode_starts, returns_to_go

LENGTHS = (3, 1, 6, 2)
IDS = np.repeat(np.arange(len(LENGTHS)), LENGTHS).astype(np.int32)
REWARD = np.random.default_rng(0).normal(size=len(IDS)).astype(np.float32)


def test_returns_to_go_by_hand() -> None:
    # Episodes (1, 2, 4) and (3, 5): 1 + 0.5 * (2 + 0.5 * 4) = 3, 2 + 2 = 4, 4; 3 + 2.5 = 5.5, 5.
    reward, ids = jnp.array([1.0, 2.0, 4.0, 3.0, 5.0]), jnp.array([7, 7, 7, 2, 2], jnp.int32)
    np.testing.assert_allclose(returns_to_go(reward, ids, 0.5), [3.0, 4.0, 4.0, 5.5, 5.0])
    np.testing.assert_allclose(returns_to_go(reward, ids), [7.0, 6.0, 4.0, 8.0, 5.0])
    np.testing.assert_array_equal(episode_starts(ids), [0, 0, 0, 3, 3])


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.0])
def test_returns_to_go_are_those_of_a_loop(discount: float) -> None:
    expected, total = np.zeros(len(IDS)), 0.0
    for row in range(len(IDS) - 1, -1, -1):
        last = row == len(IDS) - 1 or IDS[row + 1] != IDS[row]
        total = REWARD[row] + (0.0 if last else discount * total)
        expected[row] = total
    np.testing.assert_allclose(returns_to_go(jnp.asarray(REWARD), jnp.asarray(IDS), discount), expected, rtol=1e-5)


def test_a_long_dataset_loses_no_precision() -> None:
    # 200,000 episodes of two rewards of 0.1: a running sum over all rows would be off by hundredths.
    reward, ids = jnp.full(400_000, 0.1), jnp.repeat(jnp.arange(200_000, dtype=jnp.int32), 2)
    np.testing.assert_allclose(returns_to_go(reward, ids).reshape(-1, 2), [[0.2, 0.1]] * 200_000, rtol=1e-6)


def test_stretches_stay_in_their_episode_and_are_padded_in_front() -> None:
    rows = Batch(
        obs=jnp.arange(len(IDS), dtype=jnp.float32)[:, None],
        reward=jnp.asarray(REWARD),
        terminated=jnp.asarray(np.append(IDS[1:] != IDS[:-1], True)),
        duration=jnp.ones(len(IDS), jnp.int32),
        episode_id=jnp.asarray(IDS),
        valid=jnp.ones(len(IDS), bool),
    )
    sampler = Trajectories("data", batch=64, length=4, discount=0.9)
    tickets = sampler.plan({"data": rows}, jax.random.key(0), 2)
    batch, changes = sampler.take({"data": rows}, jax.tree.map(lambda x: x[0], tickets), jax.random.key(1))
    assert changes == {}
    valid, place = np.asarray(batch.valid), np.asarray(batch.obs[..., 0]).astype(int)
    ends = place[:, -1]
    assert valid[:, -1].all() and set(ends) == set(range(len(IDS)))  # every row is the last of some stretch
    starts = np.asarray(episode_starts(jnp.asarray(IDS)))
    np.testing.assert_array_equal(valid.sum(axis=1), np.minimum(ends - starts[ends] + 1, 4))
    for row in range(64):
        count = valid[row].sum()
        assert not valid[row, : 4 - count].any()  # padding comes first
        np.testing.assert_array_equal(place[row, 4 - count :], np.arange(ends[row] - count + 1, ends[row] + 1))
        assert (IDS[place[row, 4 - count :]] == IDS[ends[row]]).all()
        np.testing.assert_array_equal(
            np.asarray(batch.step)[row, 4 - count :], (place - starts[place])[row, 4 - count :]
        )
    # What is to be earned falls by the reward from one row to the next.
    to_go, both = np.asarray(batch.return_to_go), valid[:, 1:] & valid[:, :-1]
    fallen = to_go[:, :-1] - to_go[:, 1:] - np.asarray(batch.reward)[:, :-1]
    np.testing.assert_allclose(fallen[both], 0.0, atol=1e-5)
    np.testing.assert_allclose(batch.discount, np.where(np.asarray(batch.terminated), 0.0, 0.9), rtol=1e-6)


def test_futures_begin_with_what_is_drawn_and_end_with_its_episode() -> None:
    rows = Batch(obs=jnp.arange(len(IDS), dtype=jnp.float32), reward=jnp.asarray(REWARD), episode_id=jnp.asarray(IDS))
    sampler = Futures("data", batch=64, length=4)
    tickets = jax.tree.map(lambda x: x[0], sampler.plan({"data": rows}, jax.random.key(0), 1))
    batch, changes = sampler.take({"data": rows}, tickets, jax.random.key(1))
    assert changes == {}
    valid, place = np.asarray(batch.valid), np.asarray(batch.obs).astype(int)
    begins, ends = place[:, 0], np.cumsum(LENGTHS)
    assert set(begins) == set(range(len(IDS)))
    np.testing.assert_array_equal(valid.sum(axis=1), np.minimum(ends[IDS[begins]] - begins, 4))
    for row in range(64):
        count = valid[row].sum()
        assert valid[row, :count].all()  # padding comes last
        np.testing.assert_array_equal(place[row, :count], np.arange(begins[row], begins[row] + count))
        total = REWARD[begins[row] : ends[IDS[begins[row]]]].sum()
        np.testing.assert_allclose(batch.return_to_go[row, 0], total, rtol=1e-5)
