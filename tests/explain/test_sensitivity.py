"""Sensitivity by hand: weights times spreads for a box, shares of flips for a choice."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Discrete
from pilothouse.explain.sensitivity import action_sensitivity
from pilothouse.policies.policy import Memoryless

OBS = jnp.array([[0.0, 5.0, 1.0], [3.0, -2.0, 0.0]])


class Pushes(Memoryless):
    def __call__(self, obs, carry, key):
        return jnp.stack([2.0 * obs[0] - obs[2], obs[2]]), carry, {}


class Chooses(Memoryless):
    """Right where the first entry is positive."""

    def __call__(self, obs, carry, key):
        return (obs[0] > 0).astype(jnp.int32), carry, {}


class Remembers(Memoryless):
    """Its memory says how much the first entry counts."""

    def __call__(self, obs, carry, key):
        return obs[:1] * carry, carry, {}


def test_of_a_box_it_is_the_gradient_times_the_spread() -> None:
    scale = jnp.array([0.5, 9.0, 2.0])
    found = action_sensitivity(Pushes(), Box((2,)), OBS, (), scale, jax.random.key(0))
    np.testing.assert_allclose(found, [[1.0, 0.0, 4.0]] * 2, rtol=1e-6)


def test_of_a_choice_it_is_the_share_of_moves_that_change_it() -> None:
    found = action_sensitivity(Chooses(), Discrete(2), OBS, (), jnp.ones(3), jax.random.key(0))
    # From 0 every one of the eight moves to the right flips it; from 3 none of up to two spreads does.
    np.testing.assert_allclose(found, [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    wide = action_sensitivity(Chooses(), Discrete(2), OBS, (), jnp.array([2.0, 1.0, 1.0]), jax.random.key(0))
    np.testing.assert_allclose(wide[1], [3 / 16, 0.0, 0.0])  # moves of 3 (not strictly right any more), 3.5 and 4


def test_each_moment_has_its_own_memory() -> None:
    found = action_sensitivity(Remembers(), Box((1,)), OBS, jnp.array([[1.0], [-4.0]]), jnp.ones(3), jax.random.key(0))
    np.testing.assert_allclose(found[:, 0], [1.0, 4.0])
