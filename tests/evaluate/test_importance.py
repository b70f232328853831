import json
from pathlib import Path

import numpy as np
import pytest
from small_logs import BEHAVIOUR, Everything, case, everything

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.importance import (
    Values,
    direct_method,
    doubly_robust,
    per_decision_importance,
    switch,
    trajectory_importance,
)
from pilothouse.evaluate.logged import Logged

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "open_bandit.json").read_text())
ESTIMATORS = {
    "tis": lambda log, values: trajectory_importance(log),
    "tis normalised": lambda log, values: trajectory_importance(log, normalised=True),
    "pdis": lambda log, values: per_decision_importance(log),
    "pdis normalised": lambda log, values: per_decision_importance(log, normalised=True),
    "dr": doubly_robust,
    "dr normalised": lambda log, values: doubly_robust(log, values, normalised=True),
    "switch": lambda log, values: switch(log, values, most=3.0),
}


@pytest.fixture(scope="module")
def whole() -> Everything:
    return everything()


def by_hand() -> Logged:
    # Episode a: rewards 1, 2 with ratios 2, 0.5, so w = 2, 1. Episode b: reward 3 with ratio 0.5. Discount 0.5.
    return Logged.of_arrays([1, 2, 3], ["a", "a", "b"], behaviour=[0.4, 0.8, 0.8], target=[0.8, 0.4, 0.4], discount=0.5)


def test_importance_by_hand() -> None:
    log = by_hand()
    np.testing.assert_allclose(log.weight, [2, 1, 0.5])
    np.testing.assert_allclose(log.returns, [2, 3])
    # TIS: (1 * 2 + 0.5 * 3) / 2 = 1.75; normalised: 3.5 / 1.5.
    assert trajectory_importance(log).value == pytest.approx(1.75)
    assert trajectory_importance(log, normalised=True).value == pytest.approx(3.5 / 1.5)
    # PDIS: ((2 * 1 + 0.5 * 1 * 2) + 0.5 * 3) / 2 = 2.25.
    assert per_decision_importance(log).value == pytest.approx(2.25)
    # By time: at 0 (2 * 1 + 0.5 * 3) / 2.5 = 1.4; at 1 the ended episode keeps its 0.5: 0.5 * (1 * 2) / 1.5 = 2/3.
    assert per_decision_importance(log, normalised=True).value == pytest.approx(1.4 + 2 / 3)


def test_models_by_hand() -> None:
    log = by_hand()
    values = Values(np.array([1.0, 1.5, 2.0]), np.array([2.0, 1.0, 2.5]))
    assert direct_method(log, values).value == pytest.approx(2.25)
    # Surprises: 1 + 0.5 * 1 - 1 = 0.5; 2 - 1.5 = 0.5; 3 - 2 = 1. Episode a: 2 + 2 * 0.5 + 0.5 * 1 * 0.5 = 3.25;
    # b: 2.5 + 0.5 * 1 = 3.
    np.testing.assert_allclose(doubly_robust(log, values).terms, [3.25, 3.0])
    # Normalised by time: 2.25 + (2 * 0.5 + 0.5 * 1) / 2.5 + 0.5 * (1 * 0.5) / 1.5.
    assert doubly_robust(log, values, normalised=True).value == pytest.approx(2.25 + 0.6 + 0.5 / 3)
    # Weights up to 1 alone: episode a leaves the log at its first step (2), for good; b stays.
    np.testing.assert_allclose(switch(log, values, most=1.0).terms, [2.0, 3.0])


def test_a_cut_episode_takes_the_value_of_what_came_after() -> None:
    log = Logged.of_arrays(
        [1.0, 1.0], [0, 1], terminated=[False, True], behaviour=[0.5, 0.5], target=[1, 1], discount=0.5
    )
    nothing = Values(np.zeros(2), np.zeros(2), np.array([10.0, 10.0]))
    np.testing.assert_allclose(doubly_robust(log, nothing).terms, [2 * (1 + 5), 2 * 1])


def test_step_by_step_twin() -> None:
    made = case(40, 0)
    log, (q, v, _) = made.logged, made.exact
    pdis, dr, top, bottom = [], [], {}, {}
    longest = log.lengths.max()
    for start, length in zip(log.starts, log.lengths, strict=True):
        weight, total, robust = 1.0, 0.0, v[start]
        for t in range(longest):
            row = start + t
            if t < length:
                weight *= log.target[row] / log.behaviour[row]
                total += 0.9**t * weight * log.reward[row]
                onward = v[row + 1] if t + 1 < length else 0.0
                robust += 0.9**t * weight * (log.reward[row] + 0.9 * onward - q[row])
                top[t] = top.get(t, 0.0) + weight * log.reward[row]
            bottom[t] = bottom.get(t, 0.0) + weight
        pdis.append(total)
        dr.append(robust)
    np.testing.assert_allclose(per_decision_importance(log).terms, pdis)
    np.testing.assert_allclose(doubly_robust(log, made.exact).terms, dr)
    normalised = sum(0.9**t * top[t] / bottom[t] for t in range(longest))
    assert per_decision_importance(log, normalised=True).value == pytest.approx(normalised)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_terms_average_to_the_value_and_predict_leaving_one_out(name: str) -> None:
    made = case(60, 1)
    full = ESTIMATORS[name](made.logged, made.exact)
    assert full.terms.mean() == pytest.approx(full.value)
    influence = []
    for left in range(60):
        keep = made.logged.episode != left
        log = Logged.of_arrays(
            made.logged.reward[keep], made.logged.episode[keep], behaviour=made.logged.behaviour[keep],
            target=made.logged.target[keep], discount=0.9,
        )  # fmt: skip
        values = Values(made.exact.action_value[keep], made.exact.value[keep])
        influence.append(60 * full.value - 59 * ESTIMATORS[name](log, values).value)  # the jackknife's pseudo-values
    assert np.corrcoef(influence, full.terms)[0, 1] > 0.97
    assert np.std(influence) == pytest.approx(np.std(full.terms), rel=0.15)


def test_unbiased_over_every_episode_there_can_be(whole: Everything) -> None:
    assert whole.chance.sum() == pytest.approx(1)
    infinite, zeros = float("inf"), Values(np.zeros(len(whole.logged)), np.zeros(len(whole.logged)))
    unbiased = {
        "tis": trajectory_importance(whole.logged),
        "pdis": per_decision_importance(whole.logged),
        "dm": direct_method(whole.logged, whole.exact),
        "dr exact": doubly_robust(whole.logged, whole.exact),
        "dr wrong": doubly_robust(whole.logged, whole.wrong),
        "switch exact": switch(whole.logged, whole.exact, most=1.2),
        "switch never": switch(whole.logged, whole.wrong, most=infinite),
        "dr zero": doubly_robust(whole.logged, zeros),
    }
    for name, estimate in unbiased.items():
        assert whole.mean(estimate.terms) == pytest.approx(whole.truth, abs=1e-9), name
    for biased in (direct_method(whole.logged, whole.wrong), switch(whole.logged, whole.wrong, most=1.2)):
        assert abs(whole.mean(biased.terms) - whole.truth) > 0.01


def test_exact_variances_stand_in_the_order_that_theory_gives(whole: Everything) -> None:
    tis = whole.variance(trajectory_importance(whole.logged).terms)
    pdis = whole.variance(per_decision_importance(whole.logged).terms)
    dr = whole.variance(doubly_robust(whole.logged, whole.exact).terms)
    dm = whole.variance(direct_method(whole.logged, whole.exact).terms)
    assert dm < dr < 0.8 * pdis
    assert pdis < 0.95 * tis


def test_identities_of_the_family() -> None:
    made = case(50, 2)
    log, zeros = made.logged, Values(np.zeros(len(made.logged)), np.zeros(len(made.logged)))
    for normalised in (False, True):
        np.testing.assert_allclose(
            doubly_robust(log, zeros, normalised=normalised).terms,
            per_decision_importance(log, normalised=normalised).terms,
        )
    np.testing.assert_allclose(switch(log, made.exact, most=np.inf).terms, doubly_robust(log, made.exact).terms)
    np.testing.assert_allclose(switch(log, made.exact, most=0.0).terms, direct_method(log, made.exact).terms)


def test_of_the_behaviour_itself_every_estimate_is_the_mean_return() -> None:
    made = case(50, 3, target=BEHAVIOUR)
    mean = made.logged.returns.mean()
    model_free = [name for name in ESTIMATORS if "dr" not in name and name != "switch"]
    for name in model_free:
        estimate = ESTIMATORS[name](made.logged, made.exact)
        assert estimate.value == pytest.approx(mean), name
        np.testing.assert_allclose(estimate.terms, made.logged.returns)


def test_without_noise_and_with_exact_values_nothing_varies() -> None:
    made = case(30, 4, certain=True)
    assert trajectory_importance(made.logged).terms.std() > 0.1
    for estimate in (doubly_robust(made.logged, made.exact), switch(made.logged, made.exact, most=1.0)):
        np.testing.assert_allclose(estimate.terms, made.truth)
    normalised = doubly_robust(made.logged, made.exact, normalised=True)
    np.testing.assert_allclose(normalised.terms, made.truth)


def test_over_many_logs_bias_and_coverage_are_what_they_should_be() -> None:
    logs, episodes = 300, 300
    values, covered = {name: [] for name in ESTIMATORS}, {name: [] for name in ESTIMATORS}
    for seed in range(logs):
        made = case(episodes, seed)
        for name, estimator in ESTIMATORS.items():
            estimate = estimator(made.logged, made.exact)
            values[name].append(estimate.value)
            covered[name].append(estimate.interval().contains(made.truth))
    spread = {name: np.std(found) for name, found in values.items()}
    for name, found in values.items():
        # Four standard errors; normalised forms have a bias of the order of 1 / episodes beside.
        assert abs(np.mean(found) - made.truth) < 4 * spread[name] / np.sqrt(logs) + 0.005, name
        assert np.mean(covered[name]) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / logs), name
    assert spread["dr"] < spread["pdis"] < spread["tis"]
    assert spread["tis normalised"] < spread["tis"]


@pytest.mark.parametrize("name", ORACLE["answers"])
def test_equal_to_open_bandit_pipeline_at_one_step(name: str) -> None:
    given = {key: np.array(value) for key, value in ORACLE["inputs"].items()}
    action, model, target = given["action"], given["model"], given["target"]
    rows = len(action)
    log = Logged.of_arrays(given["reward"], np.arange(rows), behaviour=given["pscore"], target=target[action])
    values = Values(model[action], np.full(rows, target @ model))
    kind, _, rest = name.partition(" ")
    answer = {
        "trajectory_importance": lambda: trajectory_importance(log, normalised=rest == "normalised"),
        "direct_method": lambda: direct_method(log, values),
        "doubly_robust": lambda: doubly_robust(log, values, normalised=rest == "normalised"),
        "switch": lambda: switch(log, values, most=float(rest)),
    }[kind]()
    assert answer.value == pytest.approx(ORACLE["answers"][name], rel=1e-10)


def test_faults_are_said_in_one_line() -> None:
    log = Logged.of_arrays([1.0, 1.0], [0, 1], behaviour=[0.5, 0.5], target=[0, 0])
    with pytest.raises(DataError, match="could have come from the target"):
        trajectory_importance(log, normalised=True)
    with pytest.raises(DataError, match="could have come from the target"):
        per_decision_importance(log, normalised=True)
    with pytest.raises(DataError, match="expected 2 rows"):
        direct_method(log, Values(np.zeros(3), np.zeros(2)))
    with pytest.raises(SettingError, match="most=-1"):
        switch(log, Values(np.zeros(2), np.zeros(2)), most=-1)
    bare = Logged.of_arrays([1.0, 1.0], [0, 1])
    assert direct_method(bare, Values(np.zeros(2), np.ones(2))).value == 1
    for estimator in (trajectory_importance, per_decision_importance):
        with pytest.raises(DataError, match="no behaviour propensities"):
            estimator(bare)
