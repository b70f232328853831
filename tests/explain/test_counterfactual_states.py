"""Counterfactuals: of linear policies at the closed-form distance, of any other at least valid, near and few."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Spec
from pilothouse.explain.counterfactual_search import (
    Found,
    nearest_by_gradient,
    nearest_otherwise,
    otherwise,
    sparser,
)
from pilothouse.explain.counterfactual_states import study_counterfactuals, unusualness
from pilothouse.explain.watched import watch
from pilothouse.networks.actors import actor
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Mode
from pilothouse.rollout.actors import responses_of
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole

RNG = np.random.default_rng(0)
WEIGHTS, BIAS, SCALE = np.array([1.0, -2.0, 0.5]), 0.3, np.array([1.0, 0.2, 3.0])
DATA = RNG.normal(size=(300, 3)) * SCALE
OBS = DATA[:12]
CLOSED = np.abs(OBS @ WEIGHTS + BIAS) / np.linalg.norm(WEIGHTS * SCALE)
"""Distance to the plane w·x + b = 0, in units of the features' scales."""


def two_choices(obs):
    return np.eye(2)[(obs @ WEIGHTS + BIAS > 0).astype(int)]


def test_any_policy_of_one_plane_turns_at_the_closed_form_distance() -> None:
    found = nearest_otherwise(two_choices, Discrete(2), OBS, DATA, SCALE, probes=400)
    assert (found.distance >= CLOSED - 1e-4).all()
    np.testing.assert_allclose(found.distance, CLOSED, rtol=0.01, atol=1e-4)
    assert (two_choices(found.other).argmax(axis=1) != two_choices(OBS).argmax(axis=1)).all()
    np.testing.assert_allclose(np.linalg.norm((found.other - OBS) / SCALE, axis=1), found.distance, rtol=1e-9)


def test_the_gradient_gives_it_at_once() -> None:
    found = nearest_by_gradient(
        lambda x: jnp.stack([0.0 * x[0], x @ jnp.asarray(WEIGHTS) + BIAS]), Discrete(2), OBS, SCALE, steps=3
    )
    np.testing.assert_allclose(found.distance, CLOSED * 1.001, rtol=1e-3)
    assert (two_choices(found.other).argmax(axis=1) != two_choices(OBS).argmax(axis=1)).all()


def test_a_box_turns_where_an_entry_is_a_margin_away() -> None:
    # Entries move by 1·0.2 a unit of the second feature and 3·0.1 of the third: margins 0.1 and 0.6 need 0.5 and 2.
    matrix = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.1]])
    margin = np.array([0.1, 0.6])
    space = Box((2,))
    by = nearest_by_gradient(lambda x: x @ jnp.asarray(matrix), space, OBS, SCALE, margin=margin, steps=3)
    np.testing.assert_allclose(by.distance, 0.5, rtol=2e-3)
    fixed = np.array([True, False, True])
    held = nearest_by_gradient(
        lambda x: x @ jnp.asarray(matrix), space, OBS, SCALE, margin=margin, movable=fixed, steps=3
    )
    np.testing.assert_allclose(held.distance, 2.0, rtol=2e-3)
    asked = nearest_otherwise(lambda x: x @ matrix, space, OBS, DATA, SCALE, margin=margin, movable=fixed, probes=200)
    np.testing.assert_allclose(asked.distance, 2.0, rtol=0.02)
    np.testing.assert_array_equal(asked.other[:, 1], OBS[:, 1])


def test_the_nearer_of_two_choices_is_found() -> None:
    # Choice 0 between -1 and 2 on the line; 1 below, 2 above. From 0.9 the upper is nearer, from 0 the lower.
    def respond(obs):
        return np.eye(3)[np.where(obs[:, 0] < -1, 1, np.where(obs[:, 0] > 2, 2, 0))]

    obs = np.array([[0.9], [0.0]])
    found = nearest_otherwise(respond, Discrete(3), obs, obs, np.ones(1), probes=64)
    np.testing.assert_allclose(found.other[:, 0], [2.0, -1.0], atol=0.01)
    scores = nearest_by_gradient(lambda x: jnp.stack([0.0 * x[0], -x[0] - 1, x[0] - 2]), Discrete(3), obs, np.ones(1))
    np.testing.assert_allclose(scores.other[:, 0], [2.0, -1.0], atol=0.01)


def test_a_policy_that_never_changes_has_none() -> None:
    found = nearest_otherwise(lambda obs: np.eye(2)[np.zeros(len(obs), int)], Discrete(2), OBS, DATA, SCALE, probes=8)
    assert np.isinf(found.distance).all()
    np.testing.assert_array_equal(found.other, OBS)


def test_as_few_features_as_suffice() -> None:
    # Only the first feature matters; the move given also wanders off in the others.
    def respond(obs):
        return np.eye(2)[(obs[:, 0] > 1).astype(int)]

    obs = np.zeros((2, 3))
    given = Found(np.array([[1.2, 0.3, -0.2], [0.0, 0.0, 0.0]]), np.array([np.linalg.norm([1.2, 0.3, 0.2]), np.inf]))
    few = sparser(respond, Discrete(2), obs, given, np.ones(3))
    np.testing.assert_allclose(few.other[0], [1.0, 0.0, 0.0], atol=2e-3)
    assert few.distance[0] == pytest.approx(1.0, abs=2e-3) and np.isinf(few.distance[1])


def test_what_suffices_for_a_network_suffices_in_a_batch_of_another_size() -> None:
    spec = Spec(Box((6,)), Discrete(3))
    respond = responses_of(Mode(actor(spec, 32, 2)(jax.random.key(0))), spec)
    obs = np.random.default_rng(0).normal(size=(30, 6))
    found = nearest_otherwise(respond, spec.action, obs[:20], obs, np.ones(6), probes=32)
    for counterfactual in (found, sparser(respond, spec.action, obs[:20], found, np.ones(6))):
        valid = np.isfinite(counterfactual.distance)
        assert valid.mean() > 0.8
        for row in np.flatnonzero(valid):
            said = respond(np.stack([obs[row], counterfactual.other[row]]))
            assert said[0].argmax() != said[1].argmax()


def test_what_counts_as_otherwise() -> None:
    differs = otherwise(MultiDiscrete((2, 2)), np.array([[1, 0, 0, 1], [1, 0, 0, 1.0]]))
    np.testing.assert_array_equal(differs(np.array([[1, 0, 0, 1], [0.9, 0.1, 0.6, 0.4]])), [False, True])
    box = otherwise(Box((1,)), np.zeros((2, 1)), np.array([0.5]))
    np.testing.assert_array_equal(box(np.array([[0.4], [-0.5]])), [False, True])


def test_the_data_are_as_usual_as_themselves() -> None:
    rows = np.arange(40.0)[:, None]
    # Of a line of unit steps: neighbours at 1, 1, 2, 2, 3 (mean 1.8); 100 further away the mean distance is 102.
    np.testing.assert_allclose(unusualness(np.array([[139.0]]), rows, np.ones(1)), [102 / 1.8])
    np.testing.assert_allclose(unusualness(np.array([[20.5]]), rows, np.ones(1)), [1.3 / 1.8])  # ½ ½ 1½ 1½ 2½


class Leans(HostPolicy):
    name, spec = "leans", CartPole().spec

    def act_many(self, obs, carry, seed):
        return (obs[:, 2] + 0.3 * obs[:, 3] > 0).astype(np.int32), carry, {}


def test_a_study_names_what_matters_and_stands_out_from_chance() -> None:
    place = WorldSource("cartpole", CartPole(horizon=60))
    seen = watch(Leans(), place, 6, seed=0)
    study = study_counterfactuals(seen, responses_of(Leans(), place.spec))
    assert study.validity == 1.0 and study.sanity_passed and study.by_chance < 0.5 and len(study.cases) == 12
    moved = {name for case in study.cases for name in case.changes}
    assert moved <= {"pole angle", "pole angular velocity"} and study.moved < 2
    assert study.as_json()["cases"][0]["changes"] and "→" in str(study.cases[0])
