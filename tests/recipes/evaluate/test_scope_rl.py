"""SCOPE-RL judges an estimator by what its chosen policies promise for their risk, not by its errors."""

import numpy as np
import pytest

from pilothouse.evaluate.candidates import quality_of_choice
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.recipes.evaluate.scope_rl import ESTIMATORS, scope_rl
from pilothouse.worlds.tabular import Tabular

# One state, three actions worth 0, 1 and 2; an episode is one step.
WORLD = Tabular.of(
    np.tile([0.0, 1.0], (2, 3, 1)), [[0.0, 1.0, 2.0]] * 2, start=[1, 0], terminal=[False, True], horizon=3
)
BEHAVIOUR = np.array([[0.5, 0.3, 0.2]] * 2)


def test_equal_errors_and_equal_regret_are_told_apart_by_risk() -> None:
    # Two estimators, each wrong by the same amounts, both with the best policy in their top two: one beside the second
    # best, one beside the worst. Fails with the error, or the regret, in place of the ratio.
    truths = {"best": 4.0, "good": 3.0, "bad": -4.0}
    careful = {"best": 4.0, "good": 3.0, "bad": -4.0 + 6.0}
    careless = {"best": 4.0, "good": 3.0 - 6.0, "bad": -2.0}
    judged = [quality_of_choice(guess, truths, k=2, baseline=0.0) for guess in (careful, careless)]
    assert judged[0]["regret"] == judged[1]["regret"] == 0
    assert judged[0]["mse"] == pytest.approx(judged[1]["mse"], rel=0.15)
    assert judged[0]["sharpe"] == pytest.approx(4 / 0.5)
    assert judged[1]["sharpe"] == pytest.approx(4 / 4)


def test_all_of_it_on_one_log() -> None:
    log = tabular_log(WORLD, BEHAVIOUR, episodes=600, seed=0)
    tables = {"low": [1.0, 0.0, 0.0], "even": [1 / 3] * 3, "high": [0.0, 0.2, 0.8]}
    candidates = {name: lambda obs, row=row: np.tile(row, (len(obs), 1)) for name, row in tables.items()}
    truths = {"low": 0.0, "even": 1.0, "high": 1.8}
    assess = scope_rl(discount=0.9, worst=0.2, top=2).build(WORLD.spec)
    said = assess(log, candidates=candidates, behaviour=BEHAVIOUR[log.obs, log.action], truths=truths)
    for estimator in ESTIMATORS:
        for name, truth in truths.items():
            assert said[f"{estimator}/{name}"] == pytest.approx(truth, abs=0.35), (estimator, name)
        assert said[f"rank/{estimator}"] == pytest.approx(1)
        assert said[f"regret/{estimator}"] == 0
        # The top two are worth 1.8 and 1; the log itself 0.7 or so.
        assert said[f"sharpe/{estimator}"] == pytest.approx((1.8 - log.reward.mean()) / 0.4)
    # The worst fifth of the highest: all its ones, a fifth of the episodes.
    assert said["cvar/high"] == pytest.approx(1.0, abs=0.1)
    assert said["cvar/low"] == 0
    assert said["effective_episodes/even"] > said["effective_episodes/high"]


def test_without_propensities_they_are_estimated_and_the_uniform_policy_is_the_candidate() -> None:
    log = tabular_log(WORLD, BEHAVIOUR, episodes=300, seed=1)
    said = scope_rl(discount=0.9).build(WORLD.spec)(log)
    # With shares counted from the log the weights are exact for it: the mean of the three rewards, without noise.
    assert said["tis/uniform"] == pytest.approx(1.0)
    assert not any(key.startswith("mse") for key in said)
