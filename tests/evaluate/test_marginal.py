import numpy as np
import pytest
from small_logs import BEHAVIOUR, DISCOUNT, TARGET, Case, case, small_world

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.importance import Values
from pilothouse.evaluate.logged import Logged
from pilothouse.evaluate.marginal import (
    Features,
    action_value_weights,
    density_ratio,
    marginal_doubly_robust,
    mql,
    mwl,
    state_action_features,
    state_action_marginal,
    state_action_weights,
    state_features,
    state_marginal,
    state_mwl,
    state_weights,
)
from pilothouse.worlds.tabular_exact import action_values


def pairs(made: Case, target: np.ndarray = TARGET) -> Features:
    return state_action_features(made.logged, made.obs, made.action, made.next_obs, target)


def states(made: Case) -> Features:
    return state_features(made.logged, made.obs, made.next_obs)


def visits(policy: np.ndarray) -> np.ndarray:
    """Exact discounted visits of each state and action, an episode."""
    world = small_world()
    transition = np.asarray(world.transition, float) * ~np.asarray(world.terminal)[:, None, None]
    onward = np.einsum("sa,sat->st", policy, transition)
    at = np.linalg.solve(np.eye(4) - DISCOUNT * onward.T, np.asarray(world.start, float))
    return at[:, None] * policy


def test_one_state_by_hand() -> None:
    # One state, two actions, ending at once; action 0 twice and action 1 once, the target always takes 1.
    # Balance: 2 w0 / 3 = 0 and w1 / 3 = 1, so w = 0, 0, 3, and the value is the mean of 3 * 6 over three: 6.
    log = Logged.of_arrays([1.0, 2.0, 6.0], [0, 1, 2], behaviour=[2 / 3, 2 / 3, 1 / 3], target=[0, 0, 1])
    features = state_action_features(
        log, np.zeros(3, int), np.array([0, 0, 1]), np.zeros(3, int), np.array([[0.0, 1.0]])
    )
    np.testing.assert_allclose(state_action_weights(log, features), [0, 0, 3], atol=1e-12)
    np.testing.assert_allclose(action_value_weights(log, features), [1.5, 6])
    assert mwl(log, features).value == pytest.approx(6)
    assert mql(log, features).value == pytest.approx(6)


def test_a_chain_by_hand() -> None:
    # States 0 -> 1 -> end in one episode, discount 0.5, ratios 2 and 0.5. Of states: w0 = 1; w1 * 0.5 = 0.5 * 2 * w0,
    # so w1 = 2. Value: 1 * 2 * 3 + 0.5 * 2 * 0.5 * 4 = 8.
    log = Logged.of_arrays([3.0, 4.0], [0, 0], behaviour=[0.4, 1.0], target=[0.8, 0.5], discount=0.5)
    features = state_features(log, np.array([0, 1]), np.array([1, 1]))
    np.testing.assert_allclose(state_weights(log, features), [1, 2])
    assert state_marginal(log, state_weights(log, features)).value == pytest.approx(8)
    assert state_mwl(log, features).value == pytest.approx(8)


def test_tables_equal_the_model_of_counts() -> None:
    made = case(200, 0)
    counts, onward, earned = np.zeros((4, 2)), np.zeros((4, 2, 4)), np.zeros((4, 2))
    for row in range(len(made.logged)):
        s, a, t, fade = made.obs[row], made.action[row], made.next_obs[row], made.logged.fade[row]
        counts[s, a] += fade
        earned[s, a] += fade * made.logged.reward[row]
        onward[s, a, t] += fade * (not made.logged.terminated[row])
    shown = np.maximum(counts, 1e-30)
    q = np.zeros((4, 2))
    for _ in range(600):
        q = earned / shown + DISCOUNT * (onward / shown[..., None]) @ (TARGET * q).sum(1)
    np.testing.assert_allclose(action_value_weights(made.logged, pairs(made)).reshape(4, 2), q, atol=1e-9)
    value = (TARGET * q).sum(1)[made.obs[made.logged.starts]].mean()
    assert mql(made.logged, pairs(made)).value == pytest.approx(value)


def test_weights_and_values_agree_on_the_estimate() -> None:
    made = case(100, 1)
    features, log = pairs(made), made.logged
    weights = state_action_weights(log, features)
    value = mwl(log, features).value
    assert mql(log, features).value == pytest.approx(value)
    assert state_action_marginal(log, weights).value == pytest.approx(value)
    # Weights that balance every table see no difference between one table of values and another.
    assert marginal_doubly_robust(log, weights, made.exact).value == pytest.approx(value)
    np.testing.assert_allclose(density_ratio(log, features, ridge=1e-10), weights, atol=1e-6)
    assert np.abs(density_ratio(log, features, ridge=1e3)).max() < 0.1  # pulled to nothing


def test_weights_come_to_the_exact_ratio_of_visits() -> None:
    made = case(20_000, 2)
    # One row's weight is of visits that both count with their discount.
    exact = visits(TARGET) / np.maximum(visits(BEHAVIOUR), 1e-12)
    np.testing.assert_allclose(state_action_weights(made.logged, pairs(made)), exact[made.obs, made.action], rtol=0.06)
    of_states = visits(TARGET).sum(1) / np.maximum(visits(BEHAVIOUR).sum(1), 1e-12)
    np.testing.assert_allclose(state_weights(made.logged, states(made)), of_states[made.obs], rtol=0.06)


def test_with_exact_weights_marginals_are_unbiased_and_double_needs_only_one() -> None:
    exact = visits(TARGET) / np.maximum(visits(BEHAVIOUR), 1e-12)
    of_states = visits(TARGET).sum(1) / np.maximum(visits(BEHAVIOUR).sum(1), 1e-12)
    world = small_world()
    wrong = action_values(world, BEHAVIOUR, discount=DISCOUNT)
    found = {"pairs": [], "states": [], "wrong values": [], "wrong weights": []}
    for seed in range(200):
        made = case(100, seed)
        log, weights = made.logged, exact[made.obs, made.action]
        values = Values(wrong[made.obs, made.action], (TARGET * wrong).sum(1)[made.obs])
        found["pairs"].append(state_action_marginal(log, weights).value)
        found["states"].append(state_marginal(log, of_states[made.obs]).value)
        found["wrong values"].append(marginal_doubly_robust(log, weights, values).value)
        found["wrong weights"].append(marginal_doubly_robust(log, np.full(len(log), 3.0), made.exact).value)
    for name, values in found.items():
        assert abs(np.mean(values) - made.truth) < 4 * np.std(values) / np.sqrt(200), name


def test_of_the_behaviour_itself_the_estimate_is_the_mean_return() -> None:
    made = case(80, 3, target=BEHAVIOUR)
    log = made.logged
    np.testing.assert_allclose(state_weights(log, states(made)), 1)
    assert state_mwl(log, states(made)).value == pytest.approx(log.returns.mean())
    # Of pairs the target is asked for its probabilities, so the behaviour has to be the one that was drawn.
    counts = np.zeros((4, 2))
    np.add.at(counts, (made.obs, made.action), log.fade)
    drawn = counts / np.maximum(counts.sum(1, keepdims=True), 1e-12)
    drawn[3] = 0.5
    features = pairs(made, drawn)
    np.testing.assert_allclose(state_action_weights(log, features), 1)
    np.testing.assert_allclose(density_ratio(log, features, ridge=1e-10), 1, atol=1e-5)
    for estimator in (mwl, mql):
        assert estimator(log, features).value == pytest.approx(log.returns.mean())


def test_over_many_logs_bias_and_coverage_are_what_they_should_be() -> None:
    logs, episodes = 200, 300
    names = ("mwl", "mql", "state_mwl")
    values, covered = {name: [] for name in names}, {name: [] for name in names}
    for seed in range(logs):
        made = case(episodes, seed)
        both, alone = pairs(made), states(made)
        estimates = (mwl(made.logged, both), mql(made.logged, both), state_mwl(made.logged, alone))
        for name, estimate in zip(names, estimates, strict=True):
            assert estimate.terms.mean() == pytest.approx(estimate.value)
            values[name].append(estimate.value)
            covered[name].append(estimate.interval().contains(made.truth))
    for name in names:
        assert abs(np.mean(values[name]) - made.truth) < 4 * np.std(values[name]) / np.sqrt(logs) + 0.005, name
        assert np.mean(covered[name]) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / logs), name
    assert np.std(values["mwl"]) < np.std(values["state_mwl"])  # the pairs' weights see no noise of the actions


def test_faults_are_said_in_one_line() -> None:
    made = case(5, 0)
    features = states(made)
    with pytest.raises(DataError, match="Features are"):
        state_weights(made.logged, features._replace(now=features.now[1:]))
    with pytest.raises(DataError, match="one for each row"):
        state_marginal(made.logged, np.ones(3))
    with pytest.raises(SettingError, match="ridge=-1"):
        mwl(made.logged, features, ridge=-1)
    bare = Logged.of_arrays(made.logged.reward, made.logged.episode)
    with pytest.raises(DataError, match="propensities"):
        state_mwl(bare, features)
    assert np.isfinite(mwl(bare, pairs(made)).value)  # pairs need none
