"""Places whose physics is drawn: from the set, anew for each episode, by its seed; and RRLS's sets name what is there."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.worlds.host import GymnasiumWorld
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.physics import assign_to
from pilothouse.worlds.registry import world
from pilothouse.worlds.uncertain import RRLS, UncertaintySet

PLACE = "pilothouse.worlds.uncertain:UncertainInvertedPendulum2-v0"


def test_a_set_s_grid_leaves_its_highest_out_and_draws_stay_inside():
    within = UncertaintySet.of({"a": (0.0, 1.0), "b": (10.0, 20.0)})
    assert within.grid(2) == [{"a": a, "b": b} for a in (0.0, 0.5) for b in (10.0, 15.0)]
    drawn = jax.vmap(within.draw)(jax.random.split(jax.random.key(0), 500))
    for name, low, high in within.ranges:
        values, edge = np.asarray(drawn[name]), 0.05 * (high - low)
        assert low <= values.min() < low + edge and high - edge < values.max() < high
    assert abs(np.corrcoef(drawn["a"], drawn["b"])[0, 1]) < 0.2
    with pytest.raises(SettingError, match="low < high"):
        UncertaintySet.of({"a": (1.0, 1.0)})


def test_a_world_draws_its_constants_at_every_reset_and_steps_by_them():
    place = world("pendulum-uncertain", horizon=5)
    keys = jax.random.split(jax.random.key(0), 50)
    states, _ = jax.vmap(lambda key: place.reset((), key))(keys)
    assert set(states.constants) == {"mass", "length"} and len(np.unique(states.constants["mass"])) == 50
    given, _ = place.reset({"mass": 1.5}, keys[0])
    assert given.constants["mass"] == 1.5 and given.constants["length"] == states.constants["length"][0]
    one = jax.tree.map(lambda x: x[0], states)
    after, _ = place.step(one, jnp.ones(1), keys[0])
    fixed = Pendulum(mass=float(one.constants["mass"]), length=float(one.constants["length"]))
    expected, _ = fixed.step(fixed.state_of(one.body), jnp.ones(1), keys[0])
    np.testing.assert_allclose(after.body, expected.body, rtol=1e-5)


def test_a_simulator_draws_by_its_seed_and_takes_what_it_is_given():
    env = GymnasiumWorld(PLACE).simulators()  # the module registers it
    del env
    env = gymnasium.make("UncertainInvertedPendulum2-v0")
    told = [env.reset(seed=seed)[1]["physics"] for seed in (3, 4, 3)]
    assert told[0] == told[2] != told[1]
    assert 1 <= told[0]["pole.mass"] <= 31 and 1 <= told[0]["cart.mass"] <= 11
    model = env.unwrapped.model
    assert model.body("pole").mass[0] == told[2]["pole.mass"] and model.body("cart").mass[0] == told[2]["cart.mass"]
    _, info = env.reset(options={"pole.mass": np.float32(7.0)})
    assert info["physics"]["pole.mass"] == model.body("pole").mass[0] == 7.0
    assert env.reset()[1]["physics"] != env.reset()[1]["physics"]
    env.close()


def test_copies_of_a_host_world_have_physics_of_their_own():
    place = GymnasiumWorld(PLACE, 3)
    place.reset([0, 1, 2], [5, 6, 5])
    masses = [each.model.body("pole").mass[0] for each in place.simulators()]
    assert masses[0] == masses[2] != masses[1] and place.horizon == 1000
    place.close()


@pytest.mark.parametrize("task", RRLS)
def test_every_set_names_what_its_model_has(task):
    env = gymnasium.make(f"{task}-v5")
    for count, ranges in enumerate(RRLS[task], 1):
        assert len(ranges) == count and f"Uncertain{task}{count}-v0" in gymnasium.registry
        assign_to(env.unwrapped, {name: high for name, (_, high) in ranges.items()})
    if "friction" in RRLS[task][0]:
        assert (env.unwrapped.model.geom_friction[:, 0] == 4.0).all()
    env.close()
