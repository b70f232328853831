"""Repeated attempts: by hand, and against what simulation says of seeds."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.attempts import accuracies, expected_seed_deviation, pass_at_k

# Three seeds, four items: right in 3, 0, 1 and 2 of three attempts.
GRADES = np.array([[1, 0, 1, 1], [1, 0, 0, 1], [1, 0, 0, 0]], bool)


def test_worked_by_hand() -> None:
    np.testing.assert_allclose(accuracies(GRADES), [0.75, 0.5, 0.25])
    # p (1 - p): 0, 0, 2/9 and 2/9, times 3/2 for three seeds: √(2/3) / 4.
    assert expected_seed_deviation(GRADES) == pytest.approx(np.sqrt(2 / 3) / 4)
    # Two of three attempts: 1, 0, 1 - C(2,2)/C(3,2) = 2/3, and 1.
    assert pass_at_k(GRADES, 2) == pytest.approx((1 + 0 + 2 / 3 + 1) / 4)
    assert pass_at_k(GRADES, 1) == pytest.approx(GRADES.mean()) and pass_at_k(GRADES, 3) == pytest.approx(0.75)


def test_seeds_differ_as_much_as_expected() -> None:
    draw = np.random.default_rng(0)
    chance = draw.random(30)
    grades = draw.random((4000, 30)) < chance
    exact = np.sqrt((chance * (1 - chance)).sum()) / 30
    assert accuracies(grades).std() == pytest.approx(exact, rel=0.05)
    few = [expected_seed_deviation(draw.random((3, 30)) < chance) ** 2 for _ in range(2000)]
    assert np.mean(few) == pytest.approx(exact**2, rel=0.02)  # without bias even at three seeds


def test_pass_at_k_is_unbiased() -> None:
    draw = np.random.default_rng(1)
    chance = np.array([0.1, 0.5, 0.8])
    found = np.mean([pass_at_k(draw.random((5, 3)) < chance, 3) for _ in range(4000)])
    assert found == pytest.approx((1 - (1 - chance) ** 3).mean(), abs=0.01)


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="expected .seeds, items. of True and False"):
        accuracies([[0.5, 1.0]])
    with pytest.raises(DataError, match="at least two"):
        expected_seed_deviation([[True, False]])
    with pytest.raises(SettingError, match="k=4 of 3 attempts"):
        pass_at_k(GRADES, 4)
