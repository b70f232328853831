"""The worlds that pay only for what is wanted: values by hand, and the same physics as where every step is judged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.worlds.mountain_car_continuous import MountainCarContinuous, SparseMountainCar
from pilothouse.worlds.pendulum import Pendulum, SparsePendulum
from pilothouse.worlds.registry import world

KEY = jax.random.key(0)


def pays(place, body, push=0.0):
    return float(place.step(place.state_of(jnp.array(body)), jnp.array([push]), KEY)[1].reward)


def test_the_pendulum_pays_for_standing_and_not_for_passing():
    place = SparsePendulum()
    assert pays(place, [0.0, 0.0]) == pays(place, [2 * np.pi, 0.0]) == 1.0
    assert pays(place, [0.0, 2.0]) == 0.0  # upright, but on its way
    assert pays(place, [0.5, 0.0]) == pays(place, [np.pi, 0.0]) == 0.0
    # 0.19 rad at rest falls to 0.19 + 0.05 * (15 sin 0.19 * 0.05) = 0.197: within 0.2. From 0.198 it falls beyond.
    assert pays(place, [0.19, 0.0]) == 1.0 and pays(place, [0.198, 0.0]) == 0.0


def test_the_car_pays_once_and_ends():
    place = SparseMountainCar()
    outcome = place.step(place.state_of(jnp.array([0.449, 0.02])), jnp.array([1.0]), KEY)[1]
    assert float(outcome.reward) == 1.0 and outcome.terminated
    assert pays(place, [0.0, 0.0], 1.0) == 0.0


@pytest.mark.parametrize(
    ("dense", "sparse"), [(Pendulum(), SparsePendulum()), (MountainCarContinuous(), SparseMountainCar())]
)
def test_only_the_reward_differs(dense, sparse):
    state, other = (place.reset((), KEY)[0] for place in (dense, sparse))
    for push in (0.3, -1.0, 0.7):
        (state, one), (other, two) = (
            place.step(now, jnp.array([push]), KEY) for place, now in ((dense, state), (sparse, other))
        )
        np.testing.assert_array_equal(one.next_obs, two.next_obs)
        assert one.reward != two.reward == 0.0
    assert dense.spec == sparse.spec and type(world("pendulum", reward="sparse")) is Pendulum


def test_other_ways_of_paying_are_refused():
    with pytest.raises(SettingError, match="'sparse' or 'dense'"):
        world("pendulum", reward="spars")
