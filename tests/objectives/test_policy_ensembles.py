"""Policies cloned apart from each other, and improved on the data by PPO's surrogate: by hand and by law."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Gaussian
from pilothouse.objectives.policy_ensembles import clone_apart, improve_on_data, likeliest_other

KEY = jax.random.key(0)


class Fixed(eqx.Module):
    """The same normal everywhere."""

    mean: jax.Array
    log_std: jax.Array

    def __call__(self, obs: Any) -> Gaussian:
        del obs
        return Gaussian(self.mean, self.log_std)


def fixed(*means: float, log_std: float = 0.0) -> Fixed:
    """One member for each mean, of one action entry."""
    return Fixed(jnp.array(means)[:, None], jnp.full((len(means), 1), log_std))


def test_the_other_is_whoever_thinks_the_action_likeliest_and_never_oneself() -> None:
    log_prob = jnp.array([[-1.0, -5.0], [-2.0, -1.0], [-3.0, -2.0]])
    np.testing.assert_array_equal(likeliest_other(log_prob), [[1, 1], [0, 2], [0, 1]])
    np.testing.assert_array_equal(likeliest_other(log_prob[:1]), [[0, 0]])


def test_cloning_apart_by_hand() -> None:
    # Unit normals at 0 and 2; the action is 1. Each has -log p = 1/2 + log(2 pi)/2 and a divergence of 2^2/2 = 2 from the
    # other. By its mean m: -(1 - m) from cloning, less 0.25 (m - other): -1 + 0.5 and 1 - 0.5.
    batch = Batch(obs=jnp.zeros((3, 1)), action=jnp.ones((3, 1)))

    def loss(policies: Fixed, weight: float) -> Any:
        return clone_apart(weight)({"policies": policies}, batch, KEY)[0]

    policies = fixed(0.0, 2.0)
    value, slope = eqx.filter_value_and_grad(loss)(policies, 0.25)
    np.testing.assert_allclose(value, 2 * (0.5 + 0.5 * np.log(2 * np.pi) - 0.25 * 2.0), rtol=1e-6)
    np.testing.assert_allclose(slope.mean[:, 0], [-0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(eqx.filter_grad(loss)(policies, 0.0).mean[:, 0], [-1.0, 1.0], rtol=1e-6)
    alone, slope = eqx.filter_value_and_grad(loss)(fixed(0.0), 0.25)  # nobody to be apart from
    np.testing.assert_allclose([alone, slope.mean[0, 0]], [0.5 + 0.5 * np.log(2 * np.pi), -1.0], rtol=1e-6)


def surrogate(policies: Fixed, behaviour: Fixed, sign: float = 1.0, clip: float = 0.2) -> Any:
    parts = {
        "policies": policies,
        "behaviour": behaviour,
        "critic": lambda obs, action: jnp.array([sign * action[0], 100.0]),  # the lower is what counts
        "value": lambda obs: obs[0],
    }
    batch = Batch(obs=jnp.zeros((64, 1)), action=jnp.full((64, 1), jnp.nan))
    return improve_on_data(lambda parts: jnp.asarray(clip))(parts, batch, KEY)[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_policies_move_to_better_actions_of_their_own_behaviour_not_of_the_data(sign: float) -> None:
    # The data's actions are NaN: none may be looked at. Actions are worth themselves, or the contrary.
    behaviour = fixed(-0.3, 0.3, log_std=-2.0)
    value, slope = eqx.filter_value_and_grad(surrogate)(behaviour, behaviour, sign)
    # At the behaviour itself every ratio is 1 and normalised advantages have mean 0.
    np.testing.assert_allclose(value, 0.0, atol=1e-5)
    # The slope of log p by the mean is z over the deviation s, and the advantage's correlation with z is 1:
    # about -1/s, with (n - 1)/n for the sample's deviation, for each member alone.
    np.testing.assert_allclose(slope.mean[:, 0], np.full(2, -sign * 63 / 64 * np.exp(2.0)), rtol=0.3)
    assert np.abs(slope.log_std).max() < np.abs(slope.mean).min()


def test_nothing_is_gained_beyond_the_clip() -> None:
    behaviour = fixed(0.0, log_std=-2.0)
    near, away = fixed(0.02, log_std=-2.0), fixed(0.2, log_std=-2.0)
    assert surrogate(near, behaviour, 1.0, 0.2) < 0.0 < surrogate(fixed(-0.02, log_std=-2.0), behaviour, 1.0, 0.2)
    # A narrower clip lets less be gained by the same step.
    assert surrogate(away, behaviour, 1.0, 0.01) > surrogate(away, behaviour, 1.0, 0.5)
