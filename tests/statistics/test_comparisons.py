"""Strengths from preferences: two players in closed form, planted strengths found again, and laws of ranking."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.comparisons import bradley_terry, rank_correlation, wins_by_score, wins_of


def test_two_players_by_hand():
    # 3 of 4 won: without a ridge the difference of strengths is log(3 / 1).
    strong, weak = bradley_terry([[0, 3], [1, 0]], ridge=1e-9)
    assert strong - weak == pytest.approx(np.log(3), abs=1e-4)
    assert strong + weak == pytest.approx(0, abs=1e-6)
    always = bradley_terry([[0, 4], [0, 0]])
    assert np.isfinite(always).all() and always[0] > always[1]


def test_expected_wins_of_planted_strengths_lead_back_to_them():
    planted = np.array([1.0, 0.2, -0.4, -0.8])
    share = 1 / (1 + np.exp(planted[None] - planted[:, None]))
    np.testing.assert_allclose(bradley_terry(100 * share * (1 - np.eye(4)), ridge=1e-9), planted, atol=1e-3)


def test_renaming_players_renames_strengths_and_turning_votes_turns_them():
    wins = np.random.default_rng(0).integers(0, 9, (5, 5)) * (1 - np.eye(5))
    order = np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(bradley_terry(wins[np.ix_(order, order)]), bradley_terry(wins)[order], atol=1e-4)
    np.testing.assert_allclose(bradley_terry(wins.T), -bradley_terry(wins), atol=1e-4)


def test_tables_of_wins_by_hand():
    # Votes: 0 beats 1, 1 beats 0, 0 and 2 tie.
    table = wins_of(np.array([0, 0, 0]), np.array([1, 1, 2]), [1.0, 0.0, 0.5], 3)
    np.testing.assert_array_equal(table, [[0, 1, 0.5], [1, 0, 0], [0.5, 0, 0]])
    scores = np.array([[1.0, 2.0], [1.0, 3.0]])  # a tie, then the second wins
    np.testing.assert_array_equal(wins_by_score(scores), [[0, 0.5], [1.5, 0]])


def test_rank_correlation_by_hand_and_as_scipy_s_without_ties():
    assert rank_correlation([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)  # two pairs alike, one not
    assert rank_correlation([1, 2, 3], [5, 5, 6]) == pytest.approx(2 / 3)  # the tie is neither
    one, other = np.random.default_rng(1).normal(size=(2, 9))
    assert rank_correlation(one, other) == pytest.approx(kendalltau(one, other)[0])
    assert rank_correlation(one, -one) == -1


def test_faults_are_told():
    with pytest.raises(DataError, match="at least 0"):
        bradley_terry([[0, -1], [1, 0]])
    with pytest.raises(SettingError, match="ridge"):
        bradley_terry([[0, 1], [1, 0]], ridge=0.0)
    with pytest.raises(DataError, match="two or more"):
        rank_correlation([1.0], [2.0])
