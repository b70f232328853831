"""A JAX world on the host is the same world: stepped one by one it shows and pays what it pays when traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.keys import named
from pilothouse.worlds.on_host import OnHost
from pilothouse.worlds.registry import world


def test_steps_are_those_of_the_world_and_copies_do_not_meddle() -> None:
    pendulum = world("pendulum", horizon=3)
    host = OnHost(pendulum, 2)
    obs = host.reset([0, 1], [7, 8])
    state, first = pendulum.reset((), named(jax.random.key(7), "reset"))
    np.testing.assert_allclose(obs[0], first, rtol=1e-6)
    assert not np.allclose(obs[0], obs[1])
    for step in range(3):
        action = np.full((2, 1), 0.3, np.float32)
        batch = host.step(action)
        state, outcome = pendulum.step(state, jnp.asarray(action[0]), jax.random.key(0))
        np.testing.assert_allclose(batch.next_obs[0], outcome.next_obs, rtol=1e-5)
        assert batch.reward[0] == pytest.approx(float(outcome.reward), rel=1e-5)
        assert batch.truncated.tolist() == [step == 2] * 2 and not batch.terminated.any()
    # An episode that is over stands still; the one that is begun anew does not.
    before = host.reset([1], [9])
    batch = host.step(action)
    assert batch.reward[0] == 0 and batch.truncated.tolist() == [True, False]
    np.testing.assert_allclose(batch.next_obs[0], outcome.next_obs, rtol=1e-5)
    assert not np.allclose(batch.next_obs[1], before[0])
    with pytest.raises(SpaceError, match="3 actions for 2 copies"):
        host.step(np.zeros((3, 1), np.float32))


def test_an_episode_follows_from_its_seed_and_worlds_draw_their_own_tasks() -> None:
    arithmetic = world("arithmetic")
    host = OnHost(arithmetic, 3)
    first, again = host.reset([0, 1, 2], [1, 2, 1]), host.reset([0, 1, 2], [1, 2, 1])
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[0], one[2])
