"""Labels that hope, by hand; and that a row's own reward and ending are never read."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.novelty import less_cost, novelty_error, predicted_labels

PARTS = {
    "reward": lambda obs, action: jnp.array([0.2, 0.4]) + obs[0],
    "ending": lambda obs, action: jnp.zeros(1),
    "novelty": lambda obs, action: 0.5 + action[0],
}
ROWS = Batch(obs=jnp.array([[0.0], [1.0]]), action=jnp.array([[0.0], [0.25]]), duration=jnp.array([1, 2]))


def test_labels_by_hand():
    # Rewards 0.3 and 1.3; twice the novelty, 1 and 1.5; less 1. Half of either goes on: 0.9 / 2 and 0.81 / 2.
    rows = predicted_labels(2.0, 0.9, 1.0)(PARTS, ROWS)
    np.testing.assert_allclose(rows.reward, [0.3, 1.8], rtol=1e-6)
    np.testing.assert_allclose(rows.discount, [0.45, 0.405], rtol=1e-6)
    plain = predicted_labels(2.0, 0.9, novelty=None)({name: PARTS[name] for name in ("reward", "ending")}, ROWS)
    np.testing.assert_allclose(plain.reward, [0.3, 1.3], rtol=1e-6)


def test_what_rows_bring_is_replaced_and_not_read():
    label = predicted_labels(2.0, 0.9)
    told = ROWS.replace(reward=jnp.array([jnp.nan, 7.0]), discount=jnp.full(2, jnp.nan), terminated=jnp.ones(2, bool))
    one, other = label(PARTS, told), label(PARTS, ROWS)
    np.testing.assert_array_equal(one.reward, other.reward)
    np.testing.assert_array_equal(one.discount, other.discount)


def test_a_cost_is_taken_from_every_reward():
    np.testing.assert_array_equal(less_cost(1.0)({}, Batch(reward=jnp.array([0.0, 1.0]))).reward, [-1.0, 0.0])


def test_the_error_is_the_mean_novelty_whatever_the_axes():
    rows = Batch(obs=jnp.zeros((2, 1, 1)), action=jnp.array([[[0.0]], [[0.25]]]), reward=jnp.zeros((2, 1)))
    assert float(novelty_error()(PARTS, rows, jax.random.key(0))[0]) == 0.625  # of 0.5 and 0.75
