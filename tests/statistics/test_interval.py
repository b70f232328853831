import math

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics import Interval, interquartile_mean, mean_interval, stratified_bootstrap_interval


def test_an_interval_answers_on_which_side_it_lies():
    interval = Interval(1.0, 3.0)
    assert interval.half_width == 1.0 and interval.contains(1.0) and not interval.contains(3.1)
    assert interval.above(0.9) and not interval.above(1.0) and interval.below(3.5) and not interval.below(3.0)
    assert interval.to_json() == [1.0, 3.0] and str(interval) == "[1, 3]"


def test_one_run_excludes_nothing():
    for interval in (mean_interval([5.0]), stratified_bootstrap_interval([[5.0, 6.0]], interquartile_mean)):
        assert not interval.known and interval.to_json() == [None, None] and str(interval) == "[not known]"
        assert interval.low == -math.inf and interval.high == math.inf


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ([], "empty"),
        ([[1.0, np.nan]], r"nan at \(0, 1\)"),
        ([[1.0], [1.0, 2.0]], "equally long"),
        (np.zeros((2, 2, 2)), "dimension"),
        (["a"], "not an array of numbers"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(scores, says):
    with pytest.raises(DataError, match=says):
        stratified_bootstrap_interval(scores, interquartile_mean)


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingError, match="level of 95"):
        mean_interval([1.0, 2.0], level=95)
    with pytest.raises(SettingError, match="at least 1"):
        stratified_bootstrap_interval([1.0, 2.0], interquartile_mean, resamples=0)
