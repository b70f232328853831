"""Edits and the choice among drawn and edited actions, by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.networks.edited import BestEdited, edit_actor, edited

KEY, OBS = jax.random.key(0), jnp.zeros(1)


class Base:
    def sample(self, obs, key):
        return jax.random.uniform(key, (1,), minval=-0.5, maxval=0.5)


def chosen(edit, value, number=4):
    policy = BestEdited(Base(), edit, lambda obs, action: jnp.stack([value(action), value(action) + 1]), 0.2, number)
    drawn = [float(Base().sample(OBS, key)[0]) for key in jax.random.split(KEY, number)]
    return float(policy.sample(OBS, KEY)[0]), drawn


def up(obs, action):
    return Deterministic(jnp.ones(1))


def test_an_edit_reaches_so_far_and_no_further():
    np.testing.assert_allclose(edited(jnp.array([0.5, 0.9, -1.0]), jnp.array([-1.0, 1.0, 0.5]), 0.2), [0.3, 1.0, -0.9])


def test_the_best_of_drawn_and_edited_is_done():
    found, drawn = chosen(up, lambda a: a[0])
    np.testing.assert_allclose(found, max(drawn) + 0.2, rtol=1e-6)  # the edit helps
    found, drawn = chosen(up, lambda a: -a[0])
    np.testing.assert_allclose(found, min(drawn), rtol=1e-6)  # the edit harms, and is not taken
    found, drawn = chosen(None, lambda a: a[0])
    np.testing.assert_allclose(found, max(drawn), rtol=1e-6)


def test_edits_depend_on_the_action_and_stay_within_one():
    spec = Spec(Box((1,)), Box((2,), -1.0, 1.0))
    actor = edit_actor(spec, 4, 1)(KEY)
    one, other = actor(OBS, jnp.zeros(2)), actor(OBS, jnp.ones(2))
    assert (one.mean != other.mean).all() and (jnp.abs(one.sample(KEY)) < 1).all()
