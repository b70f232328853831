"""Discretion: by hand, and as laws of names and signs."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.evaluate.discretion import agreement, arbitrariness, discrepancy, priorities, supremacy

# Consensus for the first; consensus for the second; conflict; indifference; conflict of all three.
VOTES = np.array([[1, 1, 0], [0, -1, 0], [1, -1, 0], [0, 0, 0], [1, -1, -1]])
LABELS = np.array([1, 1, 1, -1, -1])


def test_worked_by_hand() -> None:
    found = agreement(VOTES)
    assert found.consensus.tolist() == [True, True, False, False, False]
    assert found.conflict.tolist() == [False, False, True, False, True]
    assert found.indifference.tolist() == [False, False, False, True, False]
    assert arbitrariness(VOTES, LABELS) == 0.5 and arbitrariness(VOTES, -LABELS) == 0.5
    assert arbitrariness(VOTES, np.array([1, -1, 1, 1, 1])) == 0
    # Principles 0 and 1 conflict twice, and each won once; 0 and 2 once, won by 2; 1 and 2 never.
    share, count = supremacy(VOTES, LABELS)
    np.testing.assert_array_equal(count, [[0, 2, 1], [2, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(share, [[np.nan, 0.5, 0], [0.5, np.nan, np.nan], [1, np.nan, np.nan]])
    # Of six pairs of four principles two are ranked otherwise.
    assert discrepancy([4, 3, 2, 1], [3, 4, 1, 2]) == pytest.approx(2 / 6)


def test_priorities_are_the_odds_of_winning() -> None:
    # Two principles in conflict 400 times, the first wins three of four: log-odds ln 3 apart.
    votes, labels = np.tile([[1, -1]], (400, 1)), np.repeat([1, -1], [300, 100])
    found = priorities(votes, labels, ridge=1e-6)
    assert found[0] - found[1] == pytest.approx(np.log(3), rel=1e-3) and found.sum() == pytest.approx(0, abs=1e-3)
    sure = priorities(votes, np.ones(400, int))
    assert np.isfinite(sure).all() and sure[0] > sure[1] + 3


def test_laws() -> None:
    draw = np.random.default_rng(0)
    votes, labels = draw.integers(-1, 2, (300, 4)), draw.choice((-1, 1), 300)
    # Exchanging the two outcomes of every pair changes nothing.
    assert arbitrariness(-votes, -labels) == arbitrariness(votes, labels)
    np.testing.assert_allclose(priorities(-votes, -labels), priorities(votes, labels))
    share, count = supremacy(votes, labels)
    np.testing.assert_allclose((share + share.T)[count > 0], 1)
    order = draw.permutation(4)
    np.testing.assert_allclose(priorities(votes[:, order], labels), priorities(votes, labels)[order], atol=1e-4)
    weights = draw.normal(size=(2, 6))
    assert discrepancy(*weights) == discrepancy(*weights[::-1]) == 1 - discrepancy(weights[0], -weights[1])
    assert discrepancy(weights[0], np.exp(weights[0])) == 0


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="of -1, 0 and 1"):
        agreement([[2, 0]])
    with pytest.raises(DataError, match="one of -1 and 1 for every pair"):
        arbitrariness(VOTES, [1, 0, 1, 1, 1])
    with pytest.raises(DataError, match="same principles, two or more"):
        discrepancy([1.0], [2.0])
