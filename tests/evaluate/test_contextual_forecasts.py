"""The score of forecasts in context: by hand, equal to the plain one without a region, and dearer where bounds break."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.contextual_forecasts import (
    CAP,
    Bounds,
    ForecastTask,
    line_forecast,
    reading_forecast,
    region_of_interest_crps,
    scored,
)
from pilothouse.evaluate.scripted_contexts import KINDS, scripted_contexts
from pilothouse.statistics.proper_scores import sample_crps

FUTURE, REGION = np.zeros(4), np.array([True, False, False, True])


def test_half_of_the_score_is_of_the_region_and_bounds_cost_ten_times() -> None:
    one = np.array([[1.0, 2.0, 3.0, 0.0]])
    # Inside (1 + 0) / 2, outside (2 + 3) / 2, half of each; plain: 6 / 4.
    assert region_of_interest_crps(one, FUTURE, REGION) == pytest.approx(1.5)
    assert region_of_interest_crps(one, FUTURE, np.array([False, False, True, False])) == pytest.approx(3 / 2 + 1 / 2)
    for region in (np.zeros(4, bool), np.ones(4, bool)):
        assert region_of_interest_crps(one, FUTURE, region) == pytest.approx(sample_crps(one, FUTURE).mean())
    # Above 2 by 1 at one step of four: 10 times 1/4 more; below 0.5 by 0.5 at one: 10 / 8. All over the scale.
    assert region_of_interest_crps(one, FUTURE, REGION, Bounds(high=2.0)) == pytest.approx(1.5 + 2.5)
    assert region_of_interest_crps(one, FUTURE, REGION, Bounds(low=0.5), scale=2.0) == pytest.approx((1.5 + 1.25) / 2)


def test_the_penalty_is_the_crps_of_the_breach_at_nought() -> None:
    drawn = np.random.default_rng(0).normal(size=(9, 4))
    broken = np.maximum(drawn - 0.3, 0).mean(axis=1)
    pairs = [abs(broken[i] - broken[j]) for i in range(9) for j in range(9) if i != j]
    more = region_of_interest_crps(drawn, FUTURE, REGION, Bounds(high=0.3)) - region_of_interest_crps(
        drawn, FUTURE, REGION
    )
    assert more == pytest.approx(10 * (broken.mean() - np.mean(pairs) / 2))


def test_scripted_futures_keep_their_bounds_and_need_their_words() -> None:
    held = scripted_contexts(24, np.random.default_rng(0))
    assert [task.kind for task in held] == list(KINDS) * 6
    for number, task in enumerate(held):
        assert task.bounds.broken(task.future[None])[0] == 0
        read, blind = (
            scored(one, task, samples=20, generator=np.random.default_rng(number))[0]
            for one in (reading_forecast, line_forecast)
        )
        assert read < blind, task


def test_a_reader_without_words_is_the_line() -> None:
    task = scripted_contexts(1, np.random.default_rng(0))[0]
    both = [one(task.history, "", 5, 7, np.random.default_rng(1)) for one in (reading_forecast, line_forecast)]
    np.testing.assert_array_equal(both[0], both[1])
    exact = line_forecast(2.0 + 3.0 * np.arange(10), "", 2, 3, np.random.default_rng(0))
    np.testing.assert_allclose(exact, [[32, 35]] * 3)


def test_scores_are_capped_and_other_shapes_refused() -> None:
    task = ForecastTask(np.arange(3.0), "", np.zeros(2), np.zeros(2, bool))
    far = scored(lambda *_: np.full((4, 2), 1e6), task, samples=4, generator=np.random.default_rng(0))
    assert far == (CAP, 0.0)
    with pytest.raises(SettingError, match=r"shape \(2, 2\); expected \(4, 2\)"):
        scored(lambda *_: np.zeros((2, 2)), task, samples=4, generator=np.random.default_rng(0))
    with pytest.raises(DataError, match="one truth value a step"):
        region_of_interest_crps(np.zeros((2, 4)), FUTURE, np.zeros(3, bool))
