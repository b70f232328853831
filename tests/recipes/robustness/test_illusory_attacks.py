"""The mechanism: the illusion obeys the policy's actions. A copy that lived its own life would contradict them."""

import jax
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.keys import named
from pilothouse.guard.attacks import Diverted
from pilothouse.policies.policy import Random
from pilothouse.recipes.robustness.illusory_attacks import illusory_attacks
from pilothouse.worlds.registry import world


def test_each_observation_shown_follows_from_the_last_and_the_action() -> None:
    place = world("pendulum")
    policy = illusory_attacks().build(place.spec)(Random(place.spec.action))
    carry, obs = policy.reset(None, (), jax.random.key(0)), place.spec.obs.zeros()
    state = carry[1]
    for step in range(3):
        key = jax.random.key(step)
        action, carry, extra = policy(obs, carry, key)
        state, outcome = place.step(state, action, named(key, "illusion"))
        np.testing.assert_allclose(carry[2], outcome.next_obs, rtol=1e-5, atol=1e-6)  # shown next
        assert np.abs(np.asarray(extra["shown"])).max() > 0  # not what is there, which is 0 throughout
    # The attack that moves single observations stays near what is there, and what it shows does not follow.
    moved = Diverted(policy.policy, 0.1, steps=1)(obs, (), jax.random.key(0))[2]["move"]
    assert np.abs(np.asarray(moved)).max() <= 0.1 + 1e-6


def test_the_copy_is_of_the_place_that_the_policy_lives_in() -> None:
    with pytest.raises(SpaceError, match="Give `world=`"):
        illusory_attacks().build(world("cartpole").spec)
    assert illusory_attacks(world="cartpole").build(world("cartpole").spec).world == world("cartpole")
