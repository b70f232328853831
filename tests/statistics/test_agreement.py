"""Rank violations and correlation, by hand and as laws."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.statistics.agreement import mean_maximum_rank_violation, pearson_correlation


def test_worked_by_hand() -> None:
    # The second and the third are swapped, and are 0.4 apart: 0, 0.4 and 0.4.
    assert mean_maximum_rank_violation([0.2, 0.8, 0.6], [0.1, 0.5, 0.9]) == pytest.approx(0.8 / 3)
    # Reversed: each against the one that is farthest from it.
    assert mean_maximum_rank_violation([3, 2, 1], [0.0, 0.5, 0.6]) == pytest.approx((0.6 + 0.5 + 0.6) / 3)
    assert pearson_correlation([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)


def test_laws() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=20), draw.normal(size=20)
    assert mean_maximum_rank_violation(np.exp(other), other) == 0
    found = mean_maximum_rank_violation(one, other)
    assert found == mean_maximum_rank_violation(one**3, other) > 0  # only the simulated order counts
    assert mean_maximum_rank_violation(one, 3 * other) == pytest.approx(3 * found)
    assert pearson_correlation(one, other) == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert pearson_correlation(one, 1 - 2 * one) == pytest.approx(-1) and pearson_correlation([1, 1], [1, 2]) == 0


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="2 simulated scores and 3 real ones"):
        mean_maximum_rank_violation([1, 2], [1, 2, 3])
