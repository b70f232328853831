"""The sampler by trajectory: weights by hand, a slow twin of the regression, and how often rows are drawn."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.weighted import ByTrajectory, promised, trajectory_returns

KEY = jax.random.key(0)
ROWS = Batch(  # three episodes, of 2, 1 and 3 rows; returns 3, -1 and 1
    obs=jnp.array([[0.0], [9.0], [1.0], [3.0], [8.0], [7.0]]),
    reward=jnp.array([1.0, 2.0, -1.0, 0.0, 0.0, 1.0]),
    terminated=jnp.zeros(6, bool),
    episode_id=jnp.array([0, 0, 1, 2, 2, 2]),
)


def test_returns_are_those_of_whole_episodes_scaled() -> None:
    np.testing.assert_allclose(trajectory_returns(ROWS), [1.0, 1.0, 0.0, 0.5, 0.5, 0.5])
    even = ROWS.replace(reward=jnp.zeros(6))
    np.testing.assert_array_equal(trajectory_returns(even), np.zeros(6))


def test_the_promise_is_a_regression_on_first_observations_alone() -> None:
    found = promised(ROWS, trajectory_returns(ROWS))
    starts, returns = np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.0, 0.5])
    slope, offset = np.polyfit(starts, returns, 1)
    np.testing.assert_allclose(found, (offset + slope * starts)[[0, 0, 1, 2, 2, 2]], atol=2e-3)


def test_weights_by_hand() -> None:
    # exp(1 / 0.5) = e^2 for two rows, 1 for one, e for three.
    weights = np.array([np.e**2] * 2 + [1.0] + [np.e] * 3)
    found = ByTrajectory("data", 4, 0.5).weights(ROWS)
    np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-5)
    quality = np.asarray(trajectory_returns(ROWS) - promised(ROWS, trajectory_returns(ROWS)))
    better = np.exp(quality / 0.5)
    np.testing.assert_allclose(
        ByTrajectory("data", 4, 0.5, advantage=True).weights(ROWS), better / better.sum(), rtol=1e-5
    )


def test_rows_are_drawn_as_often_as_they_weigh_and_keep_their_discount() -> None:
    sampler, parts = ByTrajectory("data", 500, 0.5, 0.9), {"data": ROWS}
    tickets = sampler.plan(parts, KEY, 40)
    assert tickets.shape == (40, 500)
    shares = np.bincount(np.ravel(tickets), minlength=6) / tickets.size
    np.testing.assert_allclose(shares, sampler.weights(ROWS), atol=0.01)
    batch, changed = sampler.take(parts, tickets[0], KEY)
    assert not changed and batch.reward.shape == (500,)
    np.testing.assert_allclose(batch.discount, 0.9)
    hot = np.bincount(np.ravel(ByTrajectory("data", 500, 1e6).plan(parts, KEY, 40)), minlength=6) / tickets.size
    np.testing.assert_allclose(hot, 1 / 6, atol=0.01)  # without regard for returns: uniform
