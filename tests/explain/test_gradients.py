"""Gradients against weights that are known, and the identities that each attribution promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.explain.gradients import action_of, gradient, integrated_gradients, smooth_gradient
from pilothouse.policies.policy import Memoryless

WEIGHTS = jnp.array([[1.0, -2.0, 0.0], [0.5, 0.0, 3.0]])
OBS, BASELINE = jnp.array([0.3, -1.2, 0.7]), jnp.array([1.0, 0.0, -0.5])


def linear(obs: jax.Array) -> jax.Array:
    return WEIGHTS @ obs + 4.0


def curved(obs: jax.Array) -> jax.Array:
    return jnp.stack([obs[0] * obs[1] + jnp.sin(obs[2]), obs[0] ** 3])


def test_of_a_linear_function_it_is_the_weights() -> None:
    np.testing.assert_allclose(gradient(linear, OBS), WEIGHTS, rtol=1e-6)
    np.testing.assert_allclose(smooth_gradient(linear, OBS, 0.5, jax.random.key(0)), WEIGHTS, rtol=1e-5, atol=1e-6)
    shares = integrated_gradients(linear, OBS, BASELINE, steps=3)
    np.testing.assert_allclose(shares, WEIGHTS * (OBS - BASELINE), rtol=1e-5, atol=1e-6)


def test_integrated_gradients_add_up_to_the_difference() -> None:
    shares = integrated_gradients(curved, OBS, BASELINE, steps=256)
    np.testing.assert_allclose(shares.sum(axis=1), curved(OBS) - curved(BASELINE), atol=1e-4)
    assert shares[1, 1] == 0.0  # what a function does not read gets nothing
    coarse = integrated_gradients(curved, OBS, BASELINE, steps=4).sum(axis=1) - (curved(OBS) - curved(BASELINE))
    fine = integrated_gradients(curved, OBS, BASELINE, steps=8).sum(axis=1) - (curved(OBS) - curved(BASELINE))
    np.testing.assert_allclose(coarse / fine, 4.0, rtol=0.1)  # the midpoint rule's error falls with the square


def test_integrated_gradients_of_a_product_by_hand() -> None:
    # Of x y from the origin, each of the two gets half.
    shares = integrated_gradients(lambda obs: (obs[0] * obs[1])[None], jnp.array([2.0, 3.0]), jnp.zeros(2))
    np.testing.assert_allclose(shares, [[3.0, 3.0]], rtol=1e-5)


def test_smoothing_a_kink_gives_the_share_of_either_side() -> None:
    # The gradient of |x| at 0.5 under normal noise of deviation 1 is 2 Phi(0.5) - 1 = 0.3829.
    smooth = smooth_gradient(lambda obs: jnp.abs(obs), jnp.array([0.5]), 1.0, jax.random.key(1), samples=40_000)
    assert float(smooth[0, 0]) == pytest.approx(0.3829, abs=0.01)
    assert float(gradient(lambda obs: jnp.abs(obs), jnp.array([0.5]))[0, 0]) == 1.0


class Pushes(Memoryless):
    """Acts by its observation, and by its dice."""

    def __call__(self, obs, carry, key):
        return jnp.stack([2.0 * obs[0], obs[1] + jax.random.normal(key)]), carry, {}


def test_a_policy_is_differentiated_with_its_dice_held_fixed() -> None:
    function = action_of(Pushes(), (), jax.random.key(3))
    np.testing.assert_array_equal(function(OBS), function(OBS))
    np.testing.assert_allclose(gradient(function, OBS), [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    many = jax.vmap(lambda obs: gradient(function, obs))(jnp.stack([OBS, BASELINE]))
    assert many.shape == (2, 2, 3)
