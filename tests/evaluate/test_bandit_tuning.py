"""Tuning by a bandit: laws of the game, and a slow twin that plays one trial at a time."""

import math

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.bandit_tuning import tune_by_bandit


def slow(pool: np.ndarray, subset: list[int], draws: list[int], coefficient: float) -> list[float]:
    """One trial in plain Python: `draws[t]` is which episode the t-th try sees. Scores after every try."""
    low, high = pool.min(), pool.max()
    seen: dict[int, list[float]] = {}
    scores = []
    for step, episode in enumerate(draws):
        untried = [p for p in subset if p not in seen]
        if untried:
            arm = untried[0]
        else:
            t = max(step, 1)
            arm = max(subset, key=lambda p: np.mean(seen[p]) + math.sqrt(coefficient * math.log(t) / len(seen[p])))
        seen.setdefault(arm, []).append((pool[arm, episode] - low) / (high - low))
        best = max((p for p in subset if p in seen), key=lambda p: np.mean(seen[p]))
        scores.append(pool[best].mean())
    return scores


def test_equals_the_slow_twin() -> None:
    pool = np.random.default_rng(3).normal(size=(5, 7))
    found = tune_by_bandit(pool, episodes=40, trials=6, policies=4, seed=8)
    twin = np.random.default_rng(8)  # the same generator, asked in the same order
    subsets = [twin.permutation(5)[:4].tolist() for _ in range(6)]
    draws = np.stack([twin.integers(7, size=6) for _ in range(40)], axis=1)
    for trial in range(6):
        np.testing.assert_allclose(found.scores[trial], slow(pool, subsets[trial], draws[trial].tolist(), 2.0))


def test_without_chance_the_best_of_the_subset_is_taken_once_all_were_tried() -> None:
    pool = np.repeat(np.array([[1.0], [4.0], [2.0]]), 3, axis=1)
    found = tune_by_bandit(pool, episodes=3, trials=20, policies=3)
    assert (found.scores[:, 2] == 4.0).all() and (found.taken == 1).all()
    assert found.score == 4.0 and found.interval().half_width == 0.0
    assert set(np.unique(found.scores[:, 0])) == {1.0, 2.0, 4.0}  # after one try it is whatever was tried


def test_more_episodes_are_worth_more_and_units_do_not_matter() -> None:
    draw = np.random.default_rng(0)
    pool = np.linspace(0, 1, 8)[:, None] + draw.normal(0, 0.5, (8, 50))
    found = tune_by_bandit(pool, episodes=200)
    assert found.curve[-1] > found.curve[7] > found.curve[0]
    assert pool.mean() < found.score <= pool.mean(axis=1).max()
    shifted = tune_by_bandit(1000 * pool - 300, episodes=200)
    np.testing.assert_allclose(shifted.scores, 1000 * found.scores - 300)


def test_alike_policies_score_alike_and_faults_are_named() -> None:
    assert tune_by_bandit(np.full((3, 2), 7.0), episodes=5).score == 7.0
    with pytest.raises(DataError, match="finite"):
        tune_by_bandit(np.array([[np.nan]]), episodes=5)
    with pytest.raises(SettingError, match="episodes=0"):
        tune_by_bandit(np.ones((2, 2)), episodes=0)
