"""The best of the data: which rows those are, and that no others are drawn."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.best_episodes import FromBest, rows_by_return

# Returns 3, 10 and 4; the last row of the second does not count.
ROWS = Batch(
    obs=jnp.arange(8.0)[:, None], reward=jnp.array([1.0, 2.0, 9.0, 1.0, 50.0, 1.0, 1.0, 2.0]),
    valid=jnp.arange(8) != 4, episode_id=jnp.array([0, 0, 1, 1, 1, 2, 2, 2]), terminated=jnp.zeros(8, bool),
)  # fmt: skip


def test_rows_of_the_best_episode_come_first_in_order() -> None:
    np.testing.assert_array_equal(rows_by_return(ROWS), [2, 3, 4, 5, 6, 7, 0, 1])
    worse = ROWS.replace(reward=-ROWS.reward)
    np.testing.assert_array_equal(rows_by_return(worse), [0, 1, 5, 6, 7, 2, 3, 4])
    alike = ROWS.replace(reward=jnp.zeros(8))
    np.testing.assert_array_equal(rows_by_return(alike), np.arange(8))


def test_only_the_share_is_drawn_and_all_of_it() -> None:
    parts = {"data": ROWS, "order": rows_by_return(ROWS)}
    for share, allowed in ((0.375, {2, 3, 4}), (0.01, {2}), (0.5, {2, 3, 4, 5}), (1.0, set(range(8)))):
        sampler = FromBest("data", "order", share, batch=64, discount=0.9)
        plan = sampler.plan(parts, jax.random.key(0), 3)
        assert plan.shape == (3, 64) and set(np.asarray(plan).ravel().tolist()) == allowed
        batch, changes = sampler.take(parts, plan[0], jax.random.key(1))
        np.testing.assert_array_equal(batch.obs[:, 0], plan[0])
        assert not changes and batch.discount.shape == (64,)
