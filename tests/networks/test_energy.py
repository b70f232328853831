"""Energy actors: their noise is the slope of their log-density, and so leads where the density is highest."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.energy import energy_actor, log_density
from pilothouse.networks.generative import Solved, variance_preserving

KEY = jax.random.key(0)
SPEC = Spec(Box((2,)), Box((1, 2), -1.0, 1.0))


def test_the_noise_is_minus_the_deviation_times_the_slope_of_the_log_density() -> None:
    actor, obs, noisy = energy_actor(SPEC, 8, 1, 6, dropout=0.0)(KEY), jnp.array([0.5, -0.5]), jnp.array([[0.2, -0.7]])
    step, small = jnp.int32(3), 1e-2
    ways = small * jnp.array([[[1.0, 0.0]], [[-1.0, 0.0]], [[0.0, 1.0]], [[0.0, -1.0]]])
    f = np.asarray(jax.vmap(lambda way: log_density(actor, obs, noisy + way, step))(ways), np.float64)
    slope = np.array([f[0] - f[1], f[2] - f[3]]) / (2 * small)
    deviation = np.sqrt(1 - variance_preserving(6)[1][3])
    found = actor.noise_prediction(obs, noisy, step)
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found[0], -deviation * slope, rtol=2e-2, atol=1e-4)


def test_with_the_log_density_of_a_bell_it_draws_from_the_bell() -> None:
    # Actions N(0.2, 0.3^2) with noise mixed in are N(sqrt(kept) 0.2, kept 0.3^2 + 1 - kept) at each step.
    kept = jnp.asarray(variance_preserving(30)[1])

    class Bell(eqx.Module):
        def __call__(self, features: Any, noisy: Any, step: Any, key: Any) -> Any:
            share = kept[step]
            return -0.5 * (noisy - 0.2 * jnp.sqrt(share)) ** 2 / (0.09 * share + 1 - share)

    actor = energy_actor(Spec(Box((1,)), Box((1,), -1.0, 1.0)), 4, 1, 30)(KEY)
    bell = eqx.tree_at(lambda a: a.network.inner, actor, Bell())
    keys = jax.random.split(KEY, 4000)
    drawn = jax.vmap(lambda key: Solved(bell, 15).sample(jnp.zeros(1), key))(keys)
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [0.2, 0.3], atol=0.025)


def test_other_actions_are_refused() -> None:
    with pytest.raises(SpaceError, match="An energy actor"):
        energy_actor(Spec(Box((2,)), Discrete(3)))
