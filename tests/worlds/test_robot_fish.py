"""The fish's lane: energy and tiles by hand, and how far one comes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.worlds.robot_fish import EAT, MOVE, RobotFish
from pilothouse.worlds.timed import Timed

WORLD = RobotFish()


@pytest.mark.parametrize(
    ("body", "action", "energy", "here"),
    [
        ([1, 0, 0, 0.4], EAT, 0.9, 0.0),  # a meal, and the tile is empty
        ([1, 0, 0, 0.8], EAT, 1.0, 0.0),  # no more than full
        ([0, 1, 0, 0.4], EAT, 0.35, 0.0),  # nothing to eat: an effort
        ([0, 1, 0, 0.4], MOVE, 0.35, 0.5),  # on to where there is food
    ],
)
def test_a_step_by_hand(body, action, energy, here) -> None:
    state, after = WORLD.step(Timed.at([*body, 0], 3), jnp.asarray(action), jax.random.key(0))
    np.testing.assert_allclose([after.next_obs[3], after.next_obs[0]], [energy, here], rtol=1e-6)
    assert after.reward == 1 and not after.terminated and state.time == 4


def test_without_energy_it_ends_and_noise_is_seen_on_tiles_only() -> None:
    _, after = WORLD.step(Timed.at([0, 0, 0, 0.05, 0]), jnp.asarray(MOVE), jax.random.key(0))
    assert after.terminated
    state, obs = RobotFish(blur=0.1).reset({"start": jnp.array([1.0, 0, 0, 0.6, 0])}, jax.random.key(1))
    assert state.body[0] == 1 and obs[0] != 0.5 and obs[3] == pytest.approx(0.6)


def test_every_fifth_tile_has_food_where_it_is_said() -> None:
    world = RobotFish(every=5)

    @jax.jit
    def swim(key):
        state, _ = world.reset((), key)
        return jax.lax.scan(lambda s, _: (world.step(s, jnp.asarray(MOVE), key)[0], s.body[0]), state, None, 15)[1]

    for seed in range(3):
        food = np.flatnonzero(np.asarray(swim(jax.random.key(seed))))
        assert len(food) == 3 and (np.diff(food) == 5).all()


def test_a_fifth_of_the_tiles_have_food() -> None:
    first = jax.vmap(lambda key: WORLD.reset((), key)[0].body[:3])(jax.random.split(jax.random.key(0), 3000))
    np.testing.assert_allclose(first.mean(axis=0), 0.2, atol=0.03)
