"""Several steps in one row: by hand, and against the recursion on whole episodes."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.batches import Uniform
from pilothouse.data.n_steps import NSteps
from pilothouse.objectives.returns import n_step_returns


def episodes(lengths, ends, draw) -> Batch:
    """Rows whose observation is their own number, in episodes that end as told."""
    rows = sum(lengths)
    last = np.cumsum(lengths) - 1
    terminated, truncated = np.zeros(rows, bool), np.zeros(rows, bool)
    terminated[last], truncated[last] = [e == "terminated" for e in ends], [e == "truncated" for e in ends]
    return Batch(
        obs=jnp.arange(rows, dtype=jnp.float32)[:, None], next_obs=jnp.arange(rows, dtype=jnp.float32)[:, None] + 100,
        action=jnp.zeros(rows), reward=jnp.asarray(draw.normal(size=rows), jnp.float32),
        terminated=jnp.asarray(terminated), truncated=jnp.asarray(truncated), valid=jnp.ones(rows, bool),
        episode_id=jnp.asarray(np.repeat(np.arange(len(lengths)), lengths), jnp.int32), duration=jnp.ones(rows, jnp.int32),
    )  # fmt: skip


def taken(rows: Batch, steps: int, discount: float = 0.9) -> Batch:
    """Every row once."""
    sampler = NSteps("data", 1, steps, discount)
    every = jnp.arange(len(rows.reward))
    return jax.jit(lambda rows: sampler.take({"data": rows}, every, jax.random.key(0))[0])(rows)


def test_three_steps_by_hand():
    rows = episodes((4, 2), ("terminated", "truncated"), np.random.default_rng(0))
    rows = rows.replace(reward=jnp.array([1.0, 2, 3, 4, 5, 6]))
    found = taken(rows, 3, 0.5)
    # Row 0: 1 + 2/2 + 3/4; row 1: 2 + 3/2 + 4/4, then over; row 2: 3 + 4/2; the second episode does not go on.
    np.testing.assert_allclose(found.reward, [2.75, 4.5, 5, 4, 8, 6])
    np.testing.assert_array_equal(found.next_obs[:, 0], [102, 103, 103, 103, 105, 105])
    np.testing.assert_allclose(found.discount, [0.125, 0, 0, 0, 0.25, 0.5])
    np.testing.assert_array_equal(found.duration, [3, 3, 2, 1, 2, 1])
    np.testing.assert_array_equal(found.obs[:, 0], np.arange(6))


def test_targets_are_those_of_the_recursion_and_one_step_is_the_plain_sampler():
    rows = episodes((3, 1, 5), ("truncated", "terminated", "truncated"), np.random.default_rng(1))

    def value(obs):
        return jnp.sin(obs[:, 0])

    wanted = n_step_returns(
        rows.reward, value(rows.next_obs), rows.terminated, rows.truncated, discount=0.9, steps=4
    )  # fmt: skip
    found = taken(rows, 4)
    np.testing.assert_allclose(found.reward + found.discount * value(found.next_obs), wanted, rtol=1e-5)
    ticket = Uniform("data", 8, 0.9).plan({"data": rows}, jax.random.key(2), 1)[0]
    np.testing.assert_array_equal(ticket, NSteps("data", 8, 1, 0.9).plan({"data": rows}, jax.random.key(2), 1)[0])
    one, plain = taken(rows, 1), Uniform("data", 1, 0.9).take({"data": rows}, jnp.arange(9), jax.random.key(0))[0]
    assert set(one) == set(plain)
    for name in one:
        np.testing.assert_allclose(one[name], plain[name])


def test_an_episode_that_was_cut_without_a_word_is_not_left():
    """Neighbours of another episode are another life, even where neither flag says that the first one ended."""
    rows = episodes((2, 2), ("", ""), np.random.default_rng(2)).replace(reward=jnp.array([1.0, 1, 8, 8]))
    np.testing.assert_allclose(taken(rows, 3, 1.0).reward, [2, 1, 16, 8])
