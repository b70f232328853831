"""Ties and who is ahead, by hand and by law."""

import numpy as np

from pilothouse.statistics.crossed import crossed_bootstrap_interval
from pilothouse.statistics.ties import share_on_top, surely_ahead, tied_with


def test_ahead_by_the_paired_interval_and_never_on_one_seed() -> None:
    # Differences 1, 2, 3: mean 2, s = 1, half width 4.303 / sqrt(3) = 2.48: zero is within.
    assert not surely_ahead([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    # Differences 2, 2.1, 1.9: half width 4.303 * 0.1 / sqrt(3) = 0.25.
    assert surely_ahead([3.0, 4.1, 4.9], [1.0, 2.0, 3.0])
    assert not surely_ahead([1.0, 2.0, 3.0], [3.0, 4.1, 4.9])
    assert not surely_ahead([9.0], [1.0])


def test_tied_are_the_best_and_all_that_it_is_not_ahead_of() -> None:
    beaten = {(1, 0), (1, 3)}
    assert tied_with(1, 4, lambda a, b: (a, b) in beaten) == [1, 2]


def test_share_on_top_is_sure_where_nothing_overlaps_and_even_between_equals() -> None:
    draw = np.random.default_rng(0)
    low, high = draw.normal(0, 0.1, (5, 10)), draw.normal(9, 0.1, (5, 10))
    assert share_on_top([low, high], [1]) == 1.0 and share_on_top([low, high], [0]) == 0.0
    alike = [draw.normal(0, 1, (8, 40)) for _ in range(2)]
    alike[1] += alike[0].mean() - alike[1].mean()
    assert abs(share_on_top(alike, [0]) - 0.5) < 0.2
    assert share_on_top(alike, [0]) + share_on_top(alike, [1]) == 1.0


def test_crossed_interval_is_wider_than_either_factor_alone() -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(0, 1, (6, 1)) + draw.normal(0, 1, (1, 9))
    whole = crossed_bootstrap_interval(values)
    rows = crossed_bootstrap_interval(values.mean(axis=1, keepdims=True))
    columns = crossed_bootstrap_interval(values.mean(axis=0, keepdims=True))
    assert whole.half_width > max(rows.half_width, columns.half_width)
    assert whole.contains(float(values.mean()))
    assert not crossed_bootstrap_interval([[1.0]]).known


def test_crossed_interval_covers_the_truth() -> None:
    draw, held = np.random.default_rng(2), 0
    for trial in range(100):
        values = draw.normal(0, 1, (12, 1)) + draw.normal(0, 1, (1, 20)) + draw.normal(0, 1, (12, 20))
        held += crossed_bootstrap_interval(values, resamples=300, seed=trial).contains(0.0)
    assert held >= 85
