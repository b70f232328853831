"""Surrogates: what they can say they say exactly, what they cannot they are measured not to, and they act."""

import numpy as np
import pytest

from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Spec
from pilothouse.explain.readable import action_from, labels_of
from pilothouse.explain.surrogates import aggregated, fit_mixture, fit_tree, likeness, study_surrogates
from pilothouse.explain.watched import watch
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Random
from pilothouse.rollout.actors import responses_of
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole

PLACE = WorldSource("cartpole", CartPole(horizon=60))
GRID = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
NAMES = ("left", "right")


class Leans(HostPolicy):
    name, spec = "leans", PLACE.spec

    def act_many(self, obs, carry, seed):
        return (obs[:, 2] + 0.3 * obs[:, 3] > 0).astype(np.int32), carry, {}


def test_a_tree_is_recovered_exactly_and_says_its_rules() -> None:
    # Left above 2.5: choice 2; else choice 1 where right is above 1.5, and 0 below.
    choice = np.where(GRID[:, 0] > 2.5, 2, np.where(GRID[:, 1] > 1.5, 1, 0))
    spec = Spec(Box((2,)), Discrete(3))
    tree = fit_tree(spec, NAMES, GRID, np.eye(3)[choice], leaves=8)
    assert tree.leaves == 3
    np.testing.assert_array_equal(tree.respond(GRID), np.eye(3)[choice])
    np.testing.assert_array_equal(tree.act_many(GRID.astype(np.float32), (), 0)[0], choice)
    assert sorted(tree.rules()) == [
        "if left > 2.5: choose 2 (50% of the time)",
        "if left ≤ 2.5 and right > 1.5: choose 1 (30% of the time)",
        "if left ≤ 2.5 and right ≤ 1.5: choose 0 (20% of the time)",
    ]


def test_a_tree_over_a_box_gives_actions_in_their_units() -> None:
    action = np.stack([np.where(GRID[:, 0] > 2.5, 100.0, 0.0), np.where(GRID[:, 1] > 1.5, 0.25, -0.75)], axis=1)
    tree = fit_tree(Spec(Box((2,)), Box((2,), -200.0, 200.0)), NAMES, GRID, action, leaves=8)
    np.testing.assert_allclose(tree.respond(GRID), action, atol=1e-9)
    assert "act 100, 0.25" in " ".join(tree.rules())


def test_several_choices_at_once_are_one_tree() -> None:
    first, second = (GRID[:, 0] > 2.5).astype(int), (GRID[:, 1] // 2).astype(int)
    spec = Spec(Box((2,)), MultiDiscrete((2, 3)))
    response = np.concatenate([np.eye(2)[first], np.eye(3)[second]], axis=1)
    tree = fit_tree(spec, NAMES, GRID, response, leaves=16)
    np.testing.assert_array_equal(tree.act_many(GRID, (), 0)[0], np.stack([first, second], axis=1))


def test_a_piecewise_linear_law_is_recovered() -> None:
    rng = np.random.default_rng(0)
    obs = rng.uniform(-1, 1, (600, 2))

    def law(x):
        return np.where(x[:, :1] > 0, 0.5 * x[:, :1] - 0.2 * x[:, 1:], -0.7 * x[:, :1] + 0.4 * x[:, 1:] + 0.1)

    spec = Spec(Box((2,)), Box((1,), -2.0, 2.0))
    mixture = fit_mixture(spec, NAMES, obs, law(obs), experts=2)
    fresh = rng.uniform(-1, 1, (300, 2))
    fresh = fresh[np.abs(fresh[:, 0]) > 0.02]  # the boundary lies between two observations
    np.testing.assert_allclose(mixture.respond(fresh), law(fresh), atol=1e-4)
    one = fit_mixture(spec, NAMES, obs, law(obs), experts=1)
    assert likeness(spec.action, law(fresh), one.respond(fresh)) < 0.8
    assert any("0.5·left -0.2·right" in rule for rule in mixture.rules())


def test_a_single_law_is_the_least_squares_line() -> None:
    rng = np.random.default_rng(1)
    obs, action = rng.normal(2.0, 3.0, (50, 2)), rng.normal(size=(50, 1))
    spec = Spec(Box((2,)), Box((1,)))
    found = fit_mixture(spec, NAMES, obs, action, experts=1)
    twin = np.linalg.lstsq(np.c_[obs, np.ones(50)], action, rcond=None)[0]
    np.testing.assert_allclose(found.respond(obs), np.c_[obs, np.ones(50)] @ twin, atol=1e-5)
    assert len(found.rules()) == 1 and found.rules()[0].startswith("always: action 0 = ")


def test_likeness_by_hand() -> None:
    said = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]])
    assert likeness(Discrete(2), said, np.eye(2)[[0, 1, 1, 1]]) == 0.75
    # Errors 0, 0, 1, 1 (mean square 0.5) against the variance 1.25 of 0, 1, 2, 3: 1 - 0.4.
    truth = np.arange(4.0)[:, None]
    assert likeness(Box((1,)), truth, np.array([[0.0], [1.0], [3.0], [2.0]])) == pytest.approx(0.6)
    assert likeness(Box((1,)), truth, np.full((4, 1), 1.5)) == pytest.approx(0.0)
    assert likeness(Box((1,)), np.ones((3, 1)), np.ones((3, 1))) == 1.0


def test_responses_become_actions_of_their_space() -> None:
    np.testing.assert_array_equal(labels_of(MultiDiscrete((2, 2)), np.array([[0.1, 0.9, 0.6, 0.4]])), [[1, 0]])
    acted = action_from(Box((2, 1), -1.0, 1.0), np.array([[3.0, 0.5]]))
    np.testing.assert_array_equal(acted, [[[1.0], [0.5]]])


def test_asking_where_the_surrogate_goes_mends_it() -> None:
    seen = watch(Leans(), PLACE, 1, seed=0).rows(np.arange(4))  # far too little of what the policy does
    respond = responses_of(Leans(), PLACE.spec)

    def fit(obs, said):
        return fit_tree(PLACE.spec, seen.names, obs, said, leaves=16)

    best, returns = aggregated(fit, respond, PLACE, seen.obs, respond(seen.obs), rounds=3, episodes=4, seed=9)
    assert returns[0] < 40 and returns.max() > 50
    assert watch(best, PLACE, 4, seed=9 + 4 * int(returns.argmax())).returns.mean() == returns.max()


def test_a_study_measures_on_unseen_episodes_and_in_the_place() -> None:
    policy = Leans()
    seen = watch(policy, PLACE, 8, seed=1)
    tree, laws = study_surrogates(seen, responses_of(policy, PLACE.spec), place=PLACE, policy=policy)
    assert tree.kind == "tree" and laws.kind == "linear mixture"
    assert laws.fidelity > 0.97 and laws.size == 1  # the policy is one linear law
    assert tree.fidelity > 0.85 and tree.sanity_passed and laws.sanity_passed
    np.testing.assert_allclose(laws.own, [60.0] * 8)
    assert laws.difference is not None and laws.returns.mean() > 50
    told = tree.as_json()
    assert told["fidelity"] == tree.fidelity and "surrogate" not in told and len(told["rules"]) >= 2


def test_of_a_policy_that_draws_nothing_is_found() -> None:
    seen = watch(Random(PLACE.spec.action), PLACE, 16, seed=1)
    for study in study_surrogates(
        seen, lambda obs: np.eye(2)[np.random.default_rng(len(obs)).integers(0, 2, len(obs))]
    ):
        assert 0.25 < study.fidelity < 0.75 and not study.sanity_passed and study.difference is None
