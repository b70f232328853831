"""Confidence as a forecast: by hand, against scikit-learn, and of a model that knows nothing."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pilothouse.core.errors import DataError
from pilothouse.explain.self_knowledge import confidence_of, self_knowledge


def test_by_hand() -> None:
    confidence = np.array([[0.9], [0.8], [0.3], [0.8]])
    right = np.array([[1.0], [1.0], [0.0], [0.0]])
    found = self_knowledge(confidence, right, np.full((4, 1), 0.5))
    # Of four pairs of right and wrong, three are told apart and one is a tie.
    assert found.discrimination == pytest.approx(3.5 / 4)
    assert found.randomised == 0.5
    assert found.brier == pytest.approx((0.01 + 0.04 + 0.09 + 0.64) / 4) and found.base == 0.25
    # Bins: {0.3: none right}, {0.8, 0.8: half right}, {0.9: right}.
    assert found.error == pytest.approx((0.3 + 2 * 0.3 + 0.1) / 4)
    assert sum(each.count for each in found.bins) == 4


def test_it_is_the_area_under_the_roc_curve_and_is_sure_where_confidence_tells() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.random((100, 4))
    right = (generator.random((100, 4)) < confidence).astype(float)
    found = self_knowledge(confidence, right, generator.random((100, 4)))
    assert found.discrimination == pytest.approx(roc_auc_score(right.ravel(), confidence.ravel()))
    assert found.interval.above(0.5) and found.sanity_passed and found.error < 0.1
    blind = self_knowledge(generator.random((100, 4)), right, confidence)
    assert not blind.sanity_passed


def test_all_right_says_nothing_of_wrong() -> None:
    found = self_knowledge(np.full((3, 1), 0.7), np.ones((3, 1)), np.full((3, 1), 0.7))
    assert np.isnan(found.discrimination) and not found.interval.known and not found.sanity_passed


def test_confidence_is_the_geometric_mean() -> None:
    found = confidence_of([[[np.log(0.5), np.log(0.125)], [np.log(0.2)]]])
    np.testing.assert_allclose(found, [[0.25, 0.2]])
    with pytest.raises(DataError, match="outside"):
        self_knowledge(np.full((1, 1), 1.5), np.ones((1, 1)), np.ones((1, 1)))
