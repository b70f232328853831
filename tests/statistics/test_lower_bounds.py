import numpy as np
import pytest
from scipy.stats import binom

from pilothouse.core.errors import DataError
from pilothouse.statistics.lower_bounds import clopper_pearson_lower, dkw_margin


def test_clopper_pearson_by_hand() -> None:
    # n of n: the rate whose n-th power is alpha. 1 of n: 1 - (1 - p) ** n is alpha, so p = 1 - (1 - alpha) ** (1 / n).
    assert clopper_pearson_lower(20, 20, level=0.99) == pytest.approx(0.01 ** (1 / 20))
    assert clopper_pearson_lower(1, 5, level=0.95) == pytest.approx(1 - 0.95**0.2)
    assert clopper_pearson_lower(0, 5) == 0.0
    with pytest.raises(DataError, match="successes"):
        clopper_pearson_lower(6, 5)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.93])
def test_clopper_pearson_covers_whatever_the_rate(rate: float) -> None:
    bounds = np.array([clopper_pearson_lower(k, 30, level=0.9) for k in range(31)])
    assert binom.pmf(np.arange(31), 30, rate)[bounds <= rate].sum() >= 0.9


def test_dkw_by_hand_and_by_law() -> None:
    # ln(1 / 0.05) = 2.9957, over 2 * 100, has the root 0.12239.
    assert dkw_margin(100, level=0.95) == pytest.approx(0.12239, abs=1e-5)
    draws = np.sort(np.random.default_rng(0).uniform(size=(2000, 50)), axis=1)
    above = (np.arange(1, 51) / 50 - draws).max(axis=1)  # how far the sample's function is above the true one
    assert (above > dkw_margin(50, level=0.9)).mean() <= 0.1
    with pytest.raises(DataError, match="sample"):
        dkw_margin(0)
