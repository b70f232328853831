"""Losses of learned models by hand: Gaussian likelihood and endings."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.learned_models import (
    dynamics_target,
    ending_error,
    gaussian_error,
)


def test_gaussian_error_by_hand_and_least_at_the_true_deviation() -> None:
    # Gaps 2 and 0 at deviations 1 and e: (4 + 0) and (0 + 2), mean 3.
    found = gaussian_error(jnp.array([1.0, 5.0]), jnp.array([0.0, 1.0]), jnp.array([3.0, 5.0]))
    np.testing.assert_allclose(found, 3.0)
    gap = jnp.full(1, 0.5)
    slope = jax.grad(lambda log_std: gaussian_error(jnp.zeros(1), log_std, gap))
    np.testing.assert_allclose(slope(jnp.log(gap)), 0.0, atol=1e-6)  # the best deviation is the gap
    assert float(slope(jnp.log(gap) + 0.1)[0]) > 0 > float(slope(jnp.log(gap) - 0.1)[0])


def test_the_target_is_the_change_and_the_reward() -> None:
    batch = Batch(obs=jnp.array([[1.0, 2.0]]), next_obs=jnp.array([[4.0, 1.0]]), reward=jnp.array([7.0]))
    np.testing.assert_allclose(dynamics_target(batch), [[3.0, -1.0, 7.0]])


def test_ending_error_is_a_cross_entropy() -> None:
    batch = Batch(obs=jnp.array([[2.0], [2.0]]), action=jnp.zeros((2, 1)), terminated=jnp.array([True, False]))
    loss, _ = ending_error()({"ending": lambda obs, action: obs}, batch, jax.random.key(0))
    chance = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(loss, -(np.log(chance) + np.log(1 - chance)) / 2, rtol=1e-5)
