"""Actors by hand: which output becomes what, what is bounded, and how they begin."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Space, Spec, Tokens
from pilothouse.networks import actors

KEY = jax.random.key(0)
OBS = Box((2,))
UNIT = Box((2,), -1.0, 1.0)
MIXED = DictSpace.of({"d": MultiDiscrete((2, 2)), "a": Box((2,), -1.0, 1.0), "c": Box((1,)), "b": Discrete(3)})


def saying(network: Any, *outputs: float) -> Any:
    """This network with a body that says `outputs`, whatever it sees."""
    last = network.body.layers[-1]
    return eqx.tree_at(
        lambda m: (m.body.layers[-1].weight, m.body.layers[-1].bias),
        network,
        (jnp.zeros_like(last.weight), jnp.array(outputs)),
    )


def test_a_normal_actor_by_hand() -> None:
    obs = jnp.ones(2)
    free = saying(actors.gaussian_actor(Spec(OBS, UNIT), 4, 1)(KEY), 0.5, -3.0)
    found = free(obs)
    np.testing.assert_allclose(found.mean, np.tanh([0.5, -3.0]), rtol=1e-6)
    np.testing.assert_array_equal(found.log_std, [0, 0])
    plain = saying(actors.gaussian_actor(Spec(OBS, UNIT), 4, 1, tanh_mean=False)(KEY), 0.5, -3.0)
    np.testing.assert_allclose(plain(obs).mean, [0.5, -3.0])
    unbounded = saying(actors.gaussian_actor(Spec(OBS, Box((2,))), 4, 1)(KEY), 0.5, -3.0)
    np.testing.assert_allclose(unbounded(obs).mean, [0.5, -3.0])
    # The second half of the outputs is the log standard deviation, within its bounds.
    seen = actors.gaussian_actor(Spec(OBS, UNIT), 4, 1, deviation="observed", bounds=(-1.0, 2.0))(KEY)
    found = saying(seen, 0.0, 0.0, 1.5, -9.0)(obs)
    np.testing.assert_allclose(found.log_std, [1.5, -1.0])
    assert seen.log_std is None


def test_squashed_and_deterministic_actors_by_hand() -> None:
    obs, spec = jnp.ones(2), Spec(OBS, Box((1, 2), -1.0, 1.0))
    squashed = saying(actors.squashed_gaussian(spec, 4, 1, bounds=(-5.0, 2.0))(KEY), 0.5, -1.0, 3.0, -9.0)(obs)
    np.testing.assert_allclose(squashed.mean, [[0.5, -1.0]])
    np.testing.assert_allclose(squashed.log_std, [[2.0, -5.0]])
    assert squashed.log_prob(jnp.zeros((1, 2))).shape == ()
    certain = saying(actors.deterministic_actor(spec, 4, 1)(KEY), 0.5, -1.0)
    np.testing.assert_allclose(certain(obs).mode(), np.tanh([[0.5, -1.0]]), rtol=1e-6)
    np.testing.assert_array_equal(certain.action(obs), certain(obs).sample(KEY))


def test_every_member_of_a_dict_gets_its_own_outputs_deviations_and_mask() -> None:
    # By name: a takes outputs 0-1 and deviations 0-1, b 2-4 with choices 0-2, c 5 with deviation 2, d 6-9, choices 3-6.
    mask = jnp.array([1, 0, 1, 1, 1, 0, 1], bool)
    outputs, log_std = jnp.arange(10.0) / 10, jnp.array([0.1, 0.2, 0.3])
    found = actors.distribution_over(MIXED, outputs, log_std, mask).members
    assert list(found) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(found["a"].mean, [0.0, 0.1])
    np.testing.assert_allclose(found["a"].log_std, [0.1, 0.2])
    np.testing.assert_allclose(found["c"].mean, [0.5])
    np.testing.assert_allclose(found["c"].log_std, [0.3])
    # b: logits 0.2 and 0.4, the middle one masked; d: 0.6 and 0.7, then 0.9 alone.
    p = 1 / (1 + np.exp(0.2))
    np.testing.assert_allclose(found["b"].probs, [p, 0, 1 - p], rtol=1e-5)
    first, second = found["d"].choices
    np.testing.assert_allclose(first.probs, [1 / (1 + np.exp(0.1)), 1 / (1 + np.exp(-0.1))], rtol=1e-5)
    np.testing.assert_allclose(second.probs, [0, 1])
    # `tanh_mean` is for bounded boxes alone.
    bent = actors.distribution_over(MIXED, outputs, log_std, tanh_mean=True).members
    np.testing.assert_allclose([*bent["a"].mean, *bent["c"].mean], [0.0, np.tanh(0.1), 0.5], rtol=1e-6)
    assert actors.box_size(MIXED) == 3 and actors.box_size(Discrete(4)) == 0


@pytest.mark.parametrize("action", [UNIT, Box(()), Discrete(3), MultiDiscrete((2, 3)), MIXED], ids=lambda s: s.kind)
def test_actors_of_any_space_act_in_it_and_add_up(action: Space) -> None:
    """Batched, with a value, with masks: what is drawn has the space's shapes, and its log-probability agrees."""
    choices = action.size - actors.box_size(action)
    spec = Spec(DictSpace.of({"x": OBS, MASK: Box((choices,), 0, 1)}) if choices else OBS, action)
    obs = {"x": jnp.ones((5, 2)), MASK: jnp.ones((5, choices))} if choices else jnp.ones((5, 2))
    agent = actors.actor_and_value(spec, 4, 1)(KEY)

    @jax.jit
    def act(obs: Any) -> Any:
        distribution, value = jax.vmap(agent)(obs)
        drawn, said = distribution.sample_and_log_prob(KEY)
        alone = jax.vmap(actors.actor(spec, 4, 1)(KEY))(obs).log_prob(drawn)
        return drawn, said, distribution.log_prob(drawn), distribution.entropy(), value, alone

    drawn, *numbers = act(obs)
    zeros = action.zeros()
    assert jax.tree.structure(drawn) == jax.tree.structure(zeros)
    shapes = jax.tree.map(lambda d, z: d.shape == (5, *z.shape) and d.dtype == z.dtype, drawn, zeros)
    assert all(jax.tree.leaves(shapes))
    assert all(x.shape == (5,) and np.isfinite(x).all() for x in numbers)
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-4, atol=1e-4)


@given(st.lists(st.booleans(), min_size=5, max_size=5).filter(lambda m: any(m[:2]) and any(m[2:])), st.integers(0, 99))
def test_masked_choices_are_never_taken(allowed: list[bool], seed: int) -> None:
    space = MultiDiscrete((2, 3))
    outputs = 9 * jax.random.normal(jax.random.key(seed), (5,))
    found = actors.distribution_over(space, outputs, jnp.zeros(0), jnp.array(allowed))
    for action in (*(np.asarray(found.sample(jax.random.key(i))) for i in range(3)), np.asarray(found.mode())):
        assert allowed[action[0]] and allowed[2 + action[1]]


def test_an_agent_begins_near_uniform_and_its_value_leaves_the_policy_alone() -> None:
    spec = Spec(OBS, Discrete(4))
    agent = actors.actor_and_value(spec, 16, 2)(KEY)
    obs = jnp.array([3.0, -2.0])
    np.testing.assert_allclose(agent(obs)[0].probs, 0.25, atol=0.01)
    grads = jax.grad(lambda a: a(obs)[1])(agent)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(grads.policy))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(grads.critic))
    box = actors.actor_and_value(Spec(OBS, Box((2,))), 16, 2)(KEY)(obs)[0]
    np.testing.assert_array_equal(box.log_std, [0, 0])
    assert float(jnp.abs(box.mean).max()) < 0.05


def test_a_head_reads_features_and_a_flat_mask() -> None:
    head = actors.policy_head(Discrete(3), 2)(KEY)
    head = eqx.tree_at(lambda h: h.linear.weight, head, jnp.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    # Features (1, 1): logits 1, 2, 0. Without the second: 1 / (1 + e^-1) and the rest.
    found = head(jnp.ones(2), jnp.array([True, False, True]))
    np.testing.assert_allclose(found.probs, [1 / (1 + np.exp(-1)), 0, 1 / (1 + np.exp(1))], rtol=1e-5)
    np.testing.assert_allclose(head(jnp.ones(2)).log_probs[1] - head(jnp.ones(2)).log_probs[2], 2.0, rtol=1e-5)


def test_actors_that_do_not_fit_are_refused() -> None:
    choices, endless = Spec(OBS, Discrete(2)), Spec(OBS, Box((2,)))
    for make in (actors.gaussian_actor, actors.squashed_gaussian, actors.deterministic_actor):
        with pytest.raises(SpaceError, match="takes Box actions"):
            make(choices)
    for make in (actors.squashed_gaussian, actors.deterministic_actor):
        with pytest.raises(SpaceError, match="finite bounds"):
            make(endless)
    with pytest.raises(SpaceError, match="Discrete or MultiDiscrete"):
        actors.categorical_actor(endless)
    assert actors.categorical_actor(choices, 4, 1)(KEY)(jnp.ones(2)).probs.shape == (2,)
    with pytest.raises(SpaceError, match="Tokens"):
        actors.distribution_over(Tokens(3, 2, 2), jnp.zeros(3), jnp.zeros(0))
