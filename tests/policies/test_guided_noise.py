"""Noise of a told covariance, around a policy's action, and how it fades."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.policies.guided_noise import GuidedNoise, fading
from pilothouse.policies.policy import Memoryless

KEY, OBS = jax.random.key(0), jnp.zeros(1)
FACTOR = jnp.array([[0.1, 0.0], [-0.08, 0.05]])


class Still(Memoryless):
    def __call__(self, obs, carry, key):
        return jnp.array([0.2, -0.1]), carry, {}


def draws(amount):
    policy = GuidedNoise(Still(), lambda obs: FACTOR, amount)
    return np.asarray(jax.vmap(lambda key: policy(OBS, (), key)[0])(jax.random.split(KEY, 4000)))


def test_noise_has_the_covariance_around_the_policys_own_action():
    found = draws(1.0)
    np.testing.assert_allclose(found.mean(axis=0), [0.2, -0.1], atol=0.006)
    np.testing.assert_allclose(np.cov(found.T), FACTOR @ FACTOR.T, atol=6e-4)
    np.testing.assert_allclose(np.cov(draws(0.5).T), FACTOR @ FACTOR.T / 4, atol=2e-4)
    assert (draws(0.0) == np.array([0.2, -0.1], np.float32)).all()
    assert np.abs(draws(100.0)).max() == 1.0


def test_noise_fades_in_a_straight_line_and_stays_away():
    amount = fading(0.5, 2.0)
    for progress, wanted in ((0.0, 2.0), (0.25, 1.0), (0.5, 0.0), (0.9, 0.0)):
        assert float(amount({"clock": {"progress": progress}})) == wanted
    assert float(amount({})) == 2.0
