"""Adversaries: they stay in their box, equal the closed form where there is one, and search is never worse than chance."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.guard.adversaries import (
    ascended_move,
    differentiable_response,
    projected_ascent,
    random_move,
    searched_move,
    weights_of,
)
from pilothouse.networks.actors import actor_and_value
from pilothouse.policies.actor_critic import ModeOfAgent
from pilothouse.policies.exploration import Greedy
from pilothouse.policies.policy import Memoryless
from pilothouse.policies.scaling import Scaled

W = np.array([0.5, -2.0, 0.0, 1.0], np.float32)
RADIUS = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
OBS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def change(move: np.ndarray) -> np.ndarray:
    return ((move - OBS) @ W) ** 2


def test_ascent_on_a_linear_aim_is_the_corner_of_its_signs():
    moved = projected_ascent(lambda x: x @ W, jnp.asarray(OBS[0]), jnp.asarray(RADIUS), jax.random.key(0))
    np.testing.assert_allclose((moved - OBS[0])[W != 0], (RADIUS * np.sign(W))[W != 0], atol=1e-6)


def test_ascent_on_a_linear_policy_changes_its_answer_as_much_as_can_be():
    move = ascended_move(lambda x: (x @ W)[None], np.ones(1))(OBS, RADIUS, np.random.default_rng(1))
    np.testing.assert_allclose(change(move), (np.abs(W) @ RADIUS) ** 2, rtol=1e-4)


def test_ascent_keeps_the_best_it_passed():
    """The aim's peak lies inside the box, and every later step leaps over it."""
    peak = lambda x: -jnp.abs(x[0] - 0.05)  # noqa: E731
    moved = projected_ascent(peak, jnp.zeros(1), 1.0, jax.random.key(2), steps=30, size=0.25)
    first = jax.random.uniform(jax.random.key(2), (1,), jnp.float32, -1.0, 1.0)
    passed = [float(first[0])]
    for _ in range(30):
        passed.append(float(np.clip(passed[-1] + 0.25 * np.sign(0.05 - passed[-1]), -1, 1)))
    assert float(peak(moved)) == pytest.approx(max(-abs(x - 0.05) for x in passed), abs=1e-6)


@pytest.mark.parametrize("mover", [random_move, searched_move(lambda x: np.tanh(x @ W[:, None]), np.ones(1))])
def test_moves_stay_in_the_box(mover):
    moved = mover(OBS, RADIUS, np.random.default_rng(3))
    assert (np.abs(moved - OBS) <= RADIUS + 1e-6).all()
    nothing = mover(OBS, 0 * RADIUS, np.random.default_rng(3))
    np.testing.assert_array_equal(nothing, OBS)


def test_ascent_stays_in_the_box():
    move = ascended_move(lambda x: jnp.sin(30 * x), np.ones(4))
    for seed in range(5):
        assert (np.abs(move(OBS, RADIUS, np.random.default_rng(seed)) - OBS) <= RADIUS * (1 + 1e-6)).all()
    np.testing.assert_array_equal(move(OBS, 0 * RADIUS, np.random.default_rng(0)), OBS)


def test_search_is_never_worse_than_the_random_corner_with_the_same_draws_and_finds_the_best():
    answers = lambda x: x @ W[:, None]  # noqa: E731
    move = searched_move(answers, np.ones(1), tries=60)
    for seed in range(10):
        found = change(move(OBS, RADIUS, np.random.default_rng(seed)))
        chance = change(random_move(OBS, RADIUS, np.random.default_rng(seed)))
        assert (found >= chance - 1e-6).all()
    np.testing.assert_allclose(found, (np.abs(W) @ RADIUS) ** 2, rtol=1e-4)  # 16 corners: 60 tries see them


def test_actions_are_weighed_by_their_range():
    np.testing.assert_allclose(weights_of(Spec(Box((1,)), Box((2,), (-1.0, 0.0), (1.0, 4.0)))), [0.5, 0.25])
    np.testing.assert_array_equal(weights_of(Spec(Box((1,)), Discrete(3))), np.ones(3))


class Straight(Memoryless):
    def __call__(self, obs, carry, key):
        return jnp.tanh(obs[:1]), carry, {}


class Remembers(Straight):
    def reset(self, carry, task, key):
        return jnp.zeros(2)


def test_which_policies_have_a_gradient():
    boxes, choices = Spec(Box((4,)), Box((1,), -1.0, 1.0)), Spec(Box((4,)), Discrete(3))
    scaled = Scaled(Straight(), boxes, np.ones(4), np.full(4, 2.0))
    response = differentiable_response(scaled, boxes)
    assert response is not None
    np.testing.assert_allclose(response(jnp.asarray(OBS[0])), np.tanh((OBS[0, :1] - 1) / 2), rtol=1e-5)
    assert differentiable_response(Remembers(), boxes) is None
    agent = actor_and_value(choices, 4, 1)(jax.random.key(0))
    told = differentiable_response(Scaled(ModeOfAgent(agent), choices), choices)
    assert told is not None
    np.testing.assert_allclose(told(jnp.asarray(OBS[0])), np.exp(agent(jnp.asarray(OBS[0]))[0].log_probs), rtol=1e-5)
    greedy = differentiable_response(Greedy(lambda obs: obs[:3]), choices)
    assert greedy is not None
    np.testing.assert_allclose(greedy(jnp.asarray(OBS[0])), jax.nn.softmax(OBS[0, :3]), rtol=1e-5)
    assert eqx.filter_grad(lambda x: told(x)[0])(jnp.asarray(OBS[0])).any()
