"""Foretelling: of a policy that follows a rule all is foretold, of one that draws no more than the commonest answer."""

import numpy as np
import pytest

from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Spec
from pilothouse.explain.prediction import calibration_error, study_prediction
from pilothouse.explain.watched import Watched


def episodes(number: int, length: int, action, space, *, reward=None, seed: int = 0) -> Watched:
    """Episodes of observations on a grid, drawn anew at each step; `action(obs, rng)` and `reward(obs)` by row."""
    rng = np.random.default_rng(seed)
    obs = rng.integers(0, 8, (number * length, 2)).astype(np.float32)
    doing = action(obs, rng)
    return Watched(
        spec=Spec(Box((2,)), space),
        names=("a", "b"),
        obs=obs,
        action=doing,
        reward=np.zeros(len(obs)) if reward is None else reward(obs),
        next_obs=obs,
        terminated=np.zeros(len(obs), bool),
        truncated=np.tile(np.arange(length) == length - 1, number),
        episode=np.repeat(np.arange(number), length),
        step=np.tile(np.arange(length), number),
    )


def rule(obs, rng):
    return ((obs[:, 0] > 3) ^ (obs[:, 1] > 5)).astype(np.int32)


def test_a_rule_is_foretold_now_and_nothing_ahead() -> None:
    study = study_prediction(episodes(24, 30, rule, Discrete(2)), ahead=(0, 1))
    now, later = study.of("action", 0), study.of("action", 1)
    assert now is not None and later is not None
    assert now.score == now.skill == study.fidelity == 1.0 and now.calibration < 0.01 and now.sanity_passed
    assert now.interval.low == now.interval.high == 1.0 and now.base == pytest.approx(0.5, abs=0.1)
    assert abs(later.skill) < 0.25 and not later.sanity_passed  # observations are drawn anew, so nothing tells
    assert study.of("failure") is None and study.failed == 0.0  # all returns are equal


def test_of_a_policy_that_draws_no_more_than_the_base_is_foretold() -> None:
    def draws(obs, rng):
        return (rng.random(len(obs)) < 0.7).astype(np.int32)

    now = study_prediction(episodes(60, 30, draws, Discrete(2)), ahead=(0,)).of("action", 0)
    assert now is not None and now.base == pytest.approx(0.7, abs=0.05)
    assert now.score == pytest.approx(now.base, abs=0.05) and not now.sanity_passed


def test_actions_ahead_are_foretold_where_they_follow_from_now() -> None:
    seen = episodes(24, 30, rule, Discrete(2))
    # Each action is repeated: at even steps a draw, at odd ones the same again.
    action = np.random.default_rng(1).integers(0, 2, len(seen) // 2).repeat(2).astype(np.int32)
    even = Watched(
        **{**seen.__dict__, "action": action, "obs": np.c_[seen.step % 2, seen.obs[:, 1]].astype(np.float32)}
    )
    later = study_prediction(even, ahead=(1,)).of("action", 1)
    # Half of the rows (the even ones) know; of the others half are right by luck.
    assert later is not None and later.score == pytest.approx(0.75, abs=0.07)
    assert later.rows == 6 * 29


def test_a_box_is_foretold_and_its_interval_covers() -> None:
    def law(obs, rng):
        noise = rng.normal(size=(len(obs), 1)) * 0.5
        return np.concatenate([obs[:, :1] * 2.0 - obs[:, 1:] + noise, np.ones_like(noise)], axis=1).astype(np.float32)

    now = study_prediction(episodes(40, 30, law, Box((2,))), ahead=(0,)).of("action", 0)
    assert now is not None and now.model == "linear" and now.base == pytest.approx(0.0, abs=0.02)
    # Variance of a grid of 8: 5.25. R² = 1 - 0.25 / (5 · 5.25 + 0.25), of the only entry that varies.
    assert now.score == pytest.approx(1 - 0.25 / 26.5, abs=0.005)
    assert now.nominal == 0.9 and now.calibration == pytest.approx(0.95, abs=0.02)  # 0.9 of one, all of the other


def test_several_choices_at_once_are_one_answer() -> None:
    def both(obs, rng):
        return np.stack([obs[:, 0] > 3, obs[:, 1] > 3], axis=1).astype(np.int32)

    now = study_prediction(episodes(20, 30, both, MultiDiscrete((2, 2))), ahead=(0,)).of("action", 0)
    assert now is not None and now.score == 1.0 and now.base == pytest.approx(0.25, abs=0.1)


def test_failures_are_foretold_from_what_leads_to_them() -> None:
    seen = episodes(40, 30, rule, Discrete(2))
    doomed = np.random.default_rng(2).random(40) < 0.4
    marked = np.c_[doomed[seen.episode] * (seen.step >= 15), seen.obs[:, 1]].astype(np.float32)
    seen = Watched(**{**seen.__dict__, "obs": marked})
    study = study_prediction(seen, ahead=(), failed=doomed)
    risk = study.of("failure")
    assert risk is not None and study.failed == doomed.mean() and study.fidelity is None
    # From the 15th step on all is known. A late failing row is above all others; an early one is even with the early
    # safe ones and above the late: 1/2 + 1/2 · (1/2 · 1/2 + 1/2) = 7/8.
    assert risk.auc == pytest.approx(7 / 8, abs=0.03) and risk.score > risk.base + 0.1
    assert study.as_json()["predictions"][0]["what"] == "failure"


def test_calibration_error_by_hand() -> None:
    # Bins of 0.5: two rows at 0.4 of which one is right (gap 0.1), two at 0.9, both right (0.1): mean 0.1.
    found = calibration_error(np.array([0.4, 0.4, 0.9, 0.9]), np.array([True, False, True, True]), bins=2)
    assert found == pytest.approx(0.1)
    assert calibration_error(np.ones(3), np.array([True, True, True])) == 0.0
