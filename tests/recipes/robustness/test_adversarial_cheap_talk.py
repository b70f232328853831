"""The mechanism: the voice moves by what victims earned who learned beside it, and allies and adversaries part ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pilothouse.core.errors import SpaceError
from pilothouse.networks.messages import messenger
from pilothouse.recipes.robustness.adversarial_cheap_talk import adversarial_cheap_talk
from pilothouse.worlds.registry import world

PLACE = world("cartpole")
LIFE = {"lives": 3, "environments": 4, "length": 32, "epochs": 8, "minibatches": 1}
TINY = {"population": 4, "width": 4, "depth": 1, "hidden": 0, **LIFE}


def test_ally_and_adversary_move_one_voice_in_opposite_ways() -> None:
    # A voice that did not look at what victims earned would move the same way for both, or not at all.
    def moved(wish):
        method = adversarial_cheap_talk(sigma=1.0, **TINY).build(PLACE.spec, {"wish": wish})
        parts = {name: method.parts[name](jax.random.key(3)) for name in ("voice", "voice/moments")}
        after = method.stages[0].cycle[0].change(parts, None, {}, jax.random.key(7))
        return ravel_pytree(after["voice"])[0] - ravel_pytree(parts["voice"])[0]

    ally, adversary = np.asarray(jax.jit(jax.vmap(moved))(jnp.array([1.0, -1.0])))
    assert np.abs(ally).max() > 1e-3
    np.testing.assert_allclose(ally, -adversary, atol=1e-6)


def test_a_message_is_bounded_and_of_the_observation_alone() -> None:
    voice, obs = messenger(4, 2, 8, 1)(jax.random.key(0)), jnp.full(4, 1e6)
    np.testing.assert_array_equal(voice(obs), voice(obs))
    assert np.abs(voice(obs)).max() <= 2 * np.pi + 1e-5


def test_victims_learn_in_the_place_that_is_named() -> None:
    with pytest.raises(SpaceError, match="Give `world=`"):
        adversarial_cheap_talk(world="acrobot").build(PLACE.spec)
