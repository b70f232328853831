"""Goals from watching: Bayes' rule by hand, a known goal found again, and nothing found where nothing is pursued."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from scipy.optimize import minimize

from pilothouse.core.errors import DataError
from pilothouse.explain.goal_inference import (
    boltzmann,
    choice_preferences,
    goals_of_watched,
    infer_goal,
    study_goals,
    values_of_goals,
)
from pilothouse.explain.watched import watch
from pilothouse.policies.policy import Memoryless
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.tabular import Tabular

LENGTH, DISCOUNT = 7, 0.9


def corridor(goal: int) -> Tabular:
    """Seven places in a row, left and right; 1 on arriving at the goal, which ends the episode."""
    transition, reward = np.zeros((LENGTH, 2, LENGTH)), np.zeros((LENGTH, 2))
    for place in range(LENGTH):
        for action, move in enumerate((-1, 1)):
            there = min(max(place + move, 0), LENGTH - 1)
            transition[place, action, there] = 1
            reward[place, action] = float(there == goal != place)
    return Tabular.of(transition, reward, terminal=np.arange(LENGTH) == goal)


@pytest.fixture(scope="module")
def values():
    return values_of_goals([corridor(0), corridor(LENGTH - 1)], discount=DISCOUNT)


def acted(values, goal: int, rationality: float, rows: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    state = rng.integers(1, LENGTH - 1, rows)
    chances = boltzmann(values[goal], rationality)[state]
    return state, (rng.random(rows) < chances[:, 1]).astype(int)


def test_bayes_by_hand() -> None:
    # One state, two actions, values ln 3 and 0: the goal's own action is taken 3 times in 4, at rationality 1.
    values = np.array([[[np.log(3), 0.0]], [[0.0, np.log(3)]]])
    found = infer_goal(values, np.zeros(2, int), np.array([0, 0]), rationalities=(1.0,))
    np.testing.assert_allclose(found.goal, [0.9, 0.1])  # 9/16 against 1/16
    assert found.evidence == pytest.approx(np.log(0.5 * 10 / 16)) and found.at_random == pytest.approx(-2 * np.log(2))
    both = infer_goal(values, np.zeros(1, int), np.array([0]), rationalities=(0.0, 1.0))
    np.testing.assert_allclose(both.joint * 8, [[2, 3], [2, 1]])  # 1/2, 3/4; 1/2, 1/4


def test_a_goal_and_how_firmly_it_is_pursued_are_found(values) -> None:
    for goal in (0, 1):
        found = infer_goal(values, *acted(values, goal, 3.0, 400))
        assert found.goal[goal] > 0.99 and found.rationalities[int(found.rationality.argmax())] == 3.0


def test_steps_in_any_order_and_in_two_parts_say_the_same(values) -> None:
    state, action = acted(values, 0, 1.0, 30)
    whole, turned = (infer_goal(values, state[o], action[o]) for o in (slice(None), slice(None, None, -1)))
    first = infer_goal(values, state[:11], action[:11])
    rest = infer_goal(values, state[11:], action[11:], prior=first.joint)
    np.testing.assert_allclose(whole.joint, turned.joint)
    np.testing.assert_allclose(whole.joint, rest.joint)
    assert first.evidence + rest.evidence == pytest.approx(whole.evidence)


def test_a_random_policy_leaves_the_prior(values) -> None:
    rng = np.random.default_rng(1)
    moved = []
    for seed in range(40):
        state = rng.integers(1, LENGTH - 1, 300)
        found = infer_goal(values, state, np.random.default_rng(seed).integers(0, 2, 300))
        moved.append(abs(found.goal[0] - 0.5))
        assert found.rationality[-2:].sum() < 0.05
    assert np.mean(moved) < 0.25
    exact = infer_goal(
        values, np.array([1, 2, 3]), np.array([1, 0, 1]), rationalities=(0.0,), prior=np.array([[0.3], [0.7]])
    )
    np.testing.assert_allclose(exact.goal, [0.3, 0.7])


def test_the_study_passes_for_a_goal_and_not_for_none(values) -> None:
    episode = np.repeat(np.arange(10), 20)
    study = study_goals(values, *acted(values, 1, 10.0, 200), episode)
    assert study.likeliest == 1 and study.sure > 0.99 and study.sanity_passed and study.foretold > 0.1
    assert abs(study.randomised) < 0.01 and study.as_json()["sure"] == study.sure
    state, _ = acted(values, 1, 1.0, 200)
    nothing = study_goals(values, state, np.random.default_rng(2).integers(0, 2, 200), episode)
    assert not nothing.sanity_passed and nothing.foretold < 0.01
    with pytest.raises(DataError, match="two episodes"):
        study_goals(values, state, np.zeros(200, int), np.zeros(200, int))
    with pytest.raises(DataError, match="summing to 1"):
        infer_goal(values, state, np.zeros(200, int), prior=np.ones((2, 1)), rationalities=(1.0,))


class Planner(Memoryless):
    """Acts in proportion to exp(3 × value)."""

    values: Array

    def __call__(self, obs, carry, key):
        return jax.random.categorical(key, 3.0 * self.values[obs]).astype(jnp.int32), carry, {}


def test_a_watched_policys_goal(values) -> None:
    worlds = [corridor(0), corridor(LENGTH - 1)]
    planner = Planner(jnp.asarray(values[1], jnp.float32))
    seen = watch(planner, WorldSource("corridor", corridor(LENGTH - 1)), 30, seed=0)
    study = goals_of_watched(seen, worlds, discount=DISCOUNT)
    assert study.likeliest == 1 and study.sure > 0.95 and study.foretold > 0
    with pytest.raises(DataError, match="of the worlds"):
        goals_of_watched(seen, [Tabular.of(np.eye(3)[:, None], np.zeros((3, 1)))], discount=DISCOUNT)


def test_preferences_are_the_likeliest_weights_and_chance_has_none() -> None:
    rng = np.random.default_rng(0)
    options, truth = rng.normal(size=(600, 3, 2)), np.array([1.5, -0.5])
    chances = boltzmann(options @ truth, 1.0)
    chosen = (rng.random(600)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    found = choice_preferences(options, chosen, ridge=0.1)
    twin = minimize(
        lambda w: 0.05 * w @ w - np.log(boltzmann(options @ w, 1.0)[np.arange(600), chosen]).sum(), np.zeros(2)
    )
    np.testing.assert_allclose(found.weights, twin.x, atol=1e-4)
    assert (np.abs(found.weights - truth) < 3 * found.errors).all() and found.known().all() and found.gained > 0.2
    nothing = choice_preferences(options, rng.integers(0, 3, 600))
    assert (np.abs(nothing.weights) < 3 * nothing.errors).all() and nothing.gained < 0.01


def test_preferences_by_hand() -> None:
    # One feature, 1 against 0, chosen 3 times in 4: the weight is ln 3.
    options = np.tile(np.array([[1.0], [0.0]]), (4, 1, 1))
    found = choice_preferences(options, np.array([0, 0, 0, 1]), ridge=1e-9)
    assert found.weights[0] == pytest.approx(np.log(3)) and found.errors[0] == pytest.approx(1 / np.sqrt(4 * 3 / 16))
