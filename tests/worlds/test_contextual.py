"""Contexts: drawn from where they should be, held for an episode, and shown as said; splits do not meet."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.worlds.contextual import PENDULUM, Contexts, ContextualWorld
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.registry import world
from pilothouse.worlds.uncertain import UncertaintySet

SQUARE = UncertaintySet.of({"gravity": (0.0, 8.0), "length": (1.0, 2.0)})
KEYS = jax.random.split(jax.random.key(0), 64)


def test_the_splits_by_hand():
    split = Contexts(SQUARE, share=0.5, count=3)
    assert split.middle.ranges == (("gravity", 2.0, 6.0), ("length", 1.25, 1.75))  # a quarter off either end
    inside = [*split.learned_in, *split.interpolation(50)]
    assert len(split.learned_in) == 3 and all(2 <= c["gravity"] <= 6 and 1.25 <= c["length"] <= 1.75 for c in inside)
    beyond = split.extrapolation(50)
    assert all(not 2 < c["gravity"] < 6 and not 1.25 < c["length"] < 1.75 for c in beyond)
    assert all(0 <= c["gravity"] <= 8 and 1 <= c["length"] <= 2 for c in beyond)
    sides = {(c["gravity"] > 4, c["length"] > 1.5) for c in beyond}
    assert len(sides) == 4, "each constant on either side"
    assert split.interpolation(3) != split.learned_in
    assert split.interpolation(9)[:3] == split.interpolation(3) != Contexts(SQUARE, seed=1).interpolation(3)


def test_a_context_is_drawn_at_the_reset_kept_to_the_end_and_shown_to_scale():
    place = ContextualWorld(Pendulum(), Contexts(SQUARE), "joined")
    states, obs = jax.vmap(lambda key: place.reset((), key))(KEYS)
    gravity, length = (np.asarray(states.inner.constants[name]) for name in ("gravity", "length"))
    assert len(np.unique(gravity)) == 64 and gravity.min() >= 2 and gravity.max() <= 6
    np.testing.assert_allclose(obs[:, 3], gravity / 4 - 1, atol=1e-6)  # 0 is shown as -1 and 8 as 1
    np.testing.assert_allclose(obs[:, 4], 2 * length - 3, atol=1e-6)  # 1 as -1 and 2 as 1
    after, outcome = jax.vmap(lambda s: place.step(s, jnp.ones(1), KEYS[0]))(states)
    np.testing.assert_array_equal(outcome.next_obs[:, 3:], obs[:, 3:])
    first = jax.tree.map(lambda x: x[0], states)
    alone = Pendulum(gravity=float(gravity[0]), length=float(length[0]))
    expected, _ = alone.step(alone.state_of(first.inner.body), jnp.ones(1), KEYS[0])
    np.testing.assert_allclose(after.inner.body[0], expected.body, rtol=1e-5)


def test_what_is_shown_differs_and_what_happens_does_not():
    key, seen = KEYS[0], {}
    for shown in ("hidden", "joined", "beside"):
        place = ContextualWorld(Pendulum(), Contexts(SQUARE), shown)
        state, _ = place.reset((), key)
        state, outcome = place.step(state, jnp.ones(1), key)
        seen[shown] = outcome.next_obs
        assert jax.tree.map(jnp.shape, place.spec.obs.zeros()) == jax.tree.map(jnp.shape, outcome.next_obs)
    np.testing.assert_array_equal(seen["joined"], np.concatenate([seen["hidden"], seen["beside"]["context"]]))
    np.testing.assert_array_equal(seen["beside"]["obs"], seen["hidden"])


def test_a_finite_number_of_contexts_is_all_that_is_drawn_and_a_task_decides_what_it_names():
    contexts = Contexts(SQUARE, count=2)
    place = ContextualWorld(Pendulum(), contexts)
    drawn = jax.vmap(lambda key: place.reset((), key)[0].inner.constants)(KEYS)
    found = {(float(one), float(other)) for one, other in zip(drawn["gravity"], drawn["length"], strict=True)}
    assert found == {(float(np.float32(c["gravity"])), float(np.float32(c["length"]))) for c in contexts.learned_in}
    given, obs = place.reset({"gravity": 8.0, "mass": 2.0}, KEYS[0])
    assert given.inner.constants["gravity"] == 8 and given.inner.constants["mass"] == 2 and obs[3] == 1
    assert given.inner.constants["length"] == drawn["length"][0]


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: Contexts(PENDULUM, share=0.0), SettingError, "share=0.0"),
        (lambda: Contexts(PENDULUM, count=-1), SettingError, "count=-1"),
        (lambda: Contexts(PENDULUM, share=1.0).extrapolation(1), SettingError, "nothing lies beyond"),
        (lambda: world("pendulum-context", shown="seen"), SettingError, "hidden, joined, beside"),
        (lambda: ContextualWorld(world("tabular"), Contexts(PENDULUM)), SpaceError, "flat Box"),
    ],
)
def test_what_cannot_be_is_refused(make, error, told):
    with pytest.raises(error, match=told):
        make()
