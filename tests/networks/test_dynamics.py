"""An ensemble of dynamics within its bounds, and imagined steps: drawn from elites, less the largest uncertainty."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.dynamics import Imagination, dynamics_ensemble

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


def test_log_deviations_stay_within_the_bounds() -> None:
    model = dynamics_ensemble(SPEC, 3, 8, 1)(jax.random.key(0))
    mean, log_std = jax.jit(lambda obs: model(obs, jnp.zeros(1)))(jnp.full(2, 1e3))
    assert mean.shape == log_std.shape == (3, 3)
    # Softly: the lower bound is the firm one, as in the authors' code.
    assert float(log_std.min()) >= -5.0 and float(log_std.max()) <= 0.25 + 0.01
    with pytest.raises(SpaceError, match="flat Box"):
        dynamics_ensemble(Spec(Discrete(3), Box((1,), -1.0, 1.0)), 3, 8, 1)(jax.random.key(0))


def ensemble(obs: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Three members: the change of two entries and the reward, and deviations of norms 5 e-6, 13 e-6 and 3 e-6."""
    mean = jnp.array([[1.0, 0.0, 10.0], [2.0, 0.0, 20.0], [3.0, 0.0, 30.0]])
    deviation = 1e-6 * jnp.array([[3.0, 4.0, 1e-9], [3.0, 4.0, 12.0], [2.0, 2.0, 1.0]])
    return mean, jnp.log(deviation)


def test_a_step_is_of_an_elite_and_its_reward_less_the_penalty() -> None:
    think = Imagination(ensemble, jnp.array([0, 2]), lambda obs, action: obs[:1], 1e6)
    obs, keys = jnp.array([-5.0, 1.0]), jax.random.split(jax.random.key(0), 50)
    after, reward, over = jax.jit(jax.vmap(lambda key: think(obs, jnp.zeros(1), key)))(keys)
    assert set(np.round(np.asarray(after[:, 0])).tolist()) == {-4.0, -2.0}  # members 0 and 2, never 1
    np.testing.assert_allclose(after[:, 1], 1.0, atol=1e-3)
    # The rewards 10 and 30, less a million times 13e-6: the largest norm is a member's that is no elite.
    np.testing.assert_allclose(reward, 10.0 * (after[:, 0] + 5.0) - 13.0, atol=1e-2)
    assert not over.any()
    assert bool(think(jnp.array([0.5, 0.0]), jnp.zeros(1), keys[0])[2])
