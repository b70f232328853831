"""Axes: they hold every value, rise as values rise, and have few, round ticks."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pilothouse.report.scales import drawable, nice_step, scale_over, tick_labels

VALUES = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20)


@given(VALUES, st.booleans(), st.booleans())
def test_every_value_lies_on_the_axis_and_order_is_kept(values, zero, tight):
    scale = scale_over(values, 10, 310, zero=zero, tight=tight)
    pixels = [scale(value) for value in sorted(values)]
    assert all(10 - 1e-6 <= pixel <= 310 + 1e-6 for pixel in pixels)
    assert pixels == sorted(pixels)
    assert scale.low < scale.high


@given(VALUES, st.integers(2, 8))
def test_ticks_are_few_evenly_spaced_and_on_the_axis(values, wanted):
    scale = scale_over(values, 0, 1, wanted=wanted)
    assert 2 <= len(scale.ticks) <= wanted + 3
    assert all(scale.low - 1e-6 * scale.step <= tick <= scale.high + 1e-6 * scale.step for tick in scale.ticks)
    gaps = [b - a for a, b in zip(scale.ticks[:-1], scale.ticks[1:], strict=True)]
    assert gaps == pytest.approx([scale.step] * len(gaps), rel=1e-6)
    assert len(set(scale.labels)) == len(scale.labels)


@given(st.floats(1e-6, 1e12), st.integers(1, 10))
def test_a_nice_step_is_round_and_wide_enough(span, wanted):
    step = nice_step(span, wanted)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert any(math.isclose(mantissa, m) for m in (1, 2, 2.5, 5))
    assert span / wanted * (1 - 1e-6) <= step <= span / wanted * 2.51


def test_an_upward_axis_by_hand():
    # 0 to 100 from pixel 200 up to pixel 0: 25 lies a quarter of the way up.
    scale = scale_over([3, 97], 200, 0, zero=True)
    assert (scale.low, scale.high, scale.step) == (0, 100, 20)
    assert scale(25) == 150


def test_constant_zero_and_missing_values_still_make_an_axis():
    for values in ([5.0, 5.0], [0.0], [], [math.nan, math.inf], [1e15, 1e15 + 1e-3], [-3e-9]):
        scale = scale_over(values, 0, 100)
        assert scale.low < scale.high
        assert len(scale.ticks) >= 2
        assert all(0 <= scale(v) <= 100 for v in values if math.isfinite(v))


def test_values_near_zero_bring_zero_and_far_ones_do_not():
    assert scale_over([20, 100], 0, 1).low == 0
    assert scale_over([90, 100], 0, 1).low == 90
    assert scale_over([-100, -20], 0, 1).high == 0
    assert scale_over([-100, -90], 0, 1).high == -90


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ((0, 5_000, 10_000), ("0", "5k", "10k")),
        ((0, 2_500, 5_000), ("0", "2,500", "5,000")),
        ((0, 12_500, 25_000), ("0", "12.5k", "25.0k")),
        ((0, 0.25, 0.5), ("0", "0.25", "0.50")),
        ((-40, -20, 0), ("−40", "−20", "0")),
        ((0, 1e6, 2e6), ("0", "1M", "2M")),
    ],
)
def test_tick_labels_share_a_unit(ticks, labels):
    assert tick_labels(ticks, ticks[1] - ticks[0]) == labels


@given(st.floats())
def test_drawable_is_finite_and_not_enormous(value):
    assume(not (1e100 < abs(value) < math.inf))
    assert drawable(value) == math.isfinite(value)
    assert not drawable(None, 1.0)
