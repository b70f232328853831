import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError, SettingError, UnknownNameError
from pilothouse.evaluate.relations import greater, judge, less, not_worse, overall, slope, underpowered, within
from pilothouse.statistics import Interval

# t(0.975, 2) = 4.302653. Differences 4, 5, 6: mean 5, s 1, half-width 4.302653 / sqrt(3) = 2.484138.
BASE = [10.0, 20.0, 30.0]
ABOVE = [14.0, 25.0, 36.0]
LOW, HIGH = 5 - 2.484138, 5 + 2.484138


def test_interval_by_hand():
    judged = judge(greater("a", "b"), {"a": ABOVE, "b": BASE})
    assert judged.difference == pytest.approx(5.0)
    assert judged.interval.low == pytest.approx(LOW, abs=1e-5)
    assert judged.interval.high == pytest.approx(HIGH, abs=1e-5)
    assert judged.to_json()["half_width"] == pytest.approx(2.484138, abs=1e-5)


@pytest.mark.parametrize(
    ("relation", "verdict"),
    [
        (greater("a", "b"), "shown"),  # 2.52 > 0
        (greater("a", "b", 2.5), "shown"),  # 2.52 > 2.5
        (greater("a", "b", 2.6), "inconclusive"),
        (greater("a", "b", 7.5), "contradicted"),  # 7.48 < 7.5
        (greater("b", "a"), "contradicted"),  # interval -7.48 to -2.52
        (less("b", "a"), "shown"),
        (less("b", "a", 2.5), "shown"),
        (less("b", "a", 2.6), "inconclusive"),
        (less("b", "a", 7.5), "contradicted"),
        (less("a", "b"), "contradicted"),
        (less("a", "b", margin=-7.5), "shown"),  # at most 7.5 above, where smaller is better
        (less("a", "b", margin=-2.5), "contradicted"),
        (not_worse("a", "b", 0.0), "shown"),
        (not_worse("b", "a", 7.5), "shown"),  # -7.48 >= -7.5
        (not_worse("b", "a", 7.4), "inconclusive"),
        (not_worse("b", "a", 2.5), "contradicted"),  # -2.52 < -2.5
        (within("a", "b", 7.5), "shown"),
        (within("a", "b", 7.4), "inconclusive"),
        (within("a", "b", 2.5), "contradicted"),
        (within("b", "a", 2.5), "contradicted"),
    ],
    ids=str,
)
def test_every_verdict_on_one_interval(relation, verdict):
    assert judge(relation, {"a": ABOVE, "b": BASE}).verdict == verdict


def test_slope_is_the_fitted_change_from_first_arm_to_last():
    # Seed lines over 0, 1, 2: (0, 1, 2) slope 1, (0, 2, 4) slope 2, (1, 4, 7) slope 3; changes 2, 4, 6; mean 4, s 2,
    # half-width 4.302653 * 2 / sqrt(3) = 4.968276: the interval holds 0.
    arms = {"none": [0.0, 0.0, 1.0], "some": [1.0, 2.0, 4.0], "much": [2.0, 4.0, 7.0]}
    judged = judge(slope(("none", "some", "much"), 1), arms)
    assert judged.difference == pytest.approx(4.0)
    assert judged.interval.half_width == pytest.approx(4.968276, abs=1e-5)
    assert judged.verdict == "inconclusive"
    # Places do not change the change, only how the line runs between.
    assert judge(slope(("none", "some", "much"), 1, at=(0, 10, 20)), arms).difference == pytest.approx(4.0)


@pytest.mark.parametrize(("sign", "verdict"), [(1, "shown"), (-1, "contradicted")])
def test_slope_has_a_side(sign, verdict):
    rising = {"a": [0.0, 0.1, 0.2], "b": [1.0, 1.0, 1.1], "c": [2.0, 2.2, 2.1]}
    assert judge(slope(("a", "b", "c"), sign), rising).verdict == verdict


@pytest.mark.parametrize(
    ("relation", "verdict"),
    [
        (greater("a", "b"), "inconclusive"),  # the interval is the point 0: on neither side
        (less("a", "b"), "inconclusive"),
        (greater("a", "b", 0.5), "contradicted"),
        (greater("a", "b", -0.5), "shown"),
        (not_worse("a", "b", 0.0), "shown"),
        (within("a", "b", 0.0), "shown"),
        (slope(("a", "b"), 1), "inconclusive"),
    ],
    ids=str,
)
def test_arms_equal_everywhere(relation, verdict):
    judged = judge(relation, {"a": BASE, "b": BASE})
    assert judged.verdict == verdict
    assert not judged.underpowered  # an interval of no width is not too wide


def test_one_seed_settles_nothing():
    for relation in (greater("a", "b"), not_worse("a", "b", 1e9), within("a", "b", 1e9), slope(("a", "b"), 1)):
        judged = judge(relation, {"a": [100.0], "b": [1.0]}, effect=1e9)
        assert judged.verdict == "inconclusive"
        assert judged.underpowered
        assert judged.to_json()["interval"] == [None, None]
        assert judged.to_json()["half_width"] is None


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="last finite score"):
        judge(greater("a", "b"), {"a": [1.0, math.nan], "b": [1.0, 2.0]})


def test_unequal_seeds_are_refused():
    with pytest.raises(DataError, match="a has 3, b has 2"):
        judge(greater("a", "b"), {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0]})


def test_an_arm_that_was_not_measured_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'baseline'"):
        judge(greater("a", "baselin"), {"a": [1.0], "baseline": [1.0]})


def test_underpowered_by_hand():
    # The baseline's mean is 100, its interval 100 ± 2.48: 20% of it is 20.
    baseline = [99.0, 100.0, 101.0]
    assert underpowered(Interval(-21, 21), baseline=baseline)
    assert not underpowered(Interval(-19, 19), baseline=baseline)
    assert underpowered(Interval(-19, 19), baseline=baseline, yardsticks=[10.0])  # wider than the stated effect
    assert underpowered(Interval(-21, 21), baseline=baseline, yardsticks=[50.0])  # either is enough
    assert not underpowered(Interval(-9, 9), baseline=baseline, yardsticks=[-10.0])  # an effect has a size
    negative = [-99.0, -100.0, -101.0]
    assert not underpowered(Interval(-19, 19), baseline=negative)


def test_a_baseline_near_zero_is_no_measure():
    near_zero = [-1.0, 0.5, 1.0]  # 20% of its mean is 0.03, and says nothing
    assert not underpowered(Interval(-0.5, 0.5), baseline=near_zero, yardsticks=[1.0])
    assert underpowered(Interval(-0.5, 0.5), baseline=near_zero)  # nothing left to measure it by
    assert not underpowered(Interval(0.0, 0.0), baseline=[0.0, 0.0, 0.0])


def test_only_the_inconclusive_can_be_underpowered():
    wide = {"a": [20.0, 60.0, 100.0], "b": [0.1, 0.2, 0.3]}  # 59.8 ± 99: far wider than 20% of 0.2
    assert judge(greater("a", "b"), wide).underpowered
    assert not judge(greater("a", "b", -1000.0), wide).underpowered


def test_tolerances_are_yardsticks():
    # Half-width 2.48 against 20% of a baseline of 1000.
    values = {"a": [1004.0, 1005.0, 1006.0], "b": [1000.0, 1000.0, 1000.0]}
    assert judge(within("a", "b", 4.0), values).verdict == "inconclusive"
    assert not judge(within("a", "b", 4.0), values).underpowered
    assert judge(not_worse("b", "a", 4.9), values).verdict == "inconclusive"
    wider = {"a": [1000.0, 1005.0, 1010.0], "b": [1000.0, 1000.0, 1000.0]}  # half-width 12.4
    assert judge(within("a", "b", 8.0), wider).underpowered


def test_a_relation_may_state_its_own_effect():
    values = {"a": ABOVE, "b": BASE}
    assert judge(greater("a", "b", effect=3.0), values, effect=9.0).effect == 3.0
    assert judge(greater("a", "b"), values, effect=9.0).effect == 9.0


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: not_worse("a", "b", -1.0), "0 or more"),
        (lambda: within("a", "b", math.nan), "0 or more"),
        (lambda: slope(("a",), 1), "two or more"),
        (lambda: slope(("a", "b"), 0), "1 \\(rises\\) or -1"),
        (lambda: slope(("a", "b"), 1, at=(1, 1)), "increasing"),
        (lambda: slope(("a", "b"), 1, at=(1, 2, 3)), "2 increasing"),
    ],
)
def test_relations_that_make_no_sense_are_refused(make, match):
    with pytest.raises(SettingError, match=match):
        make()


def test_relations_read_as_written():
    assert [str(r) for r in (greater("a", "b"), greater("a", "b", 2), less("a", "b", 2), not_worse("a", "b", 0.5))] == [
        "a > b",
        "a > b + 2",
        "a < b - 2",
        "a ≥ b - 0.5",
    ]
    assert str(less("a", "b", -2)) == "a < b + 2"
    assert str(within("a", "b", 2)) == "|a - b| ≤ 2"
    assert str(slope(("a", "b", "c"), -1)) == "a → b → c falls"


def test_a_claim_is_as_good_as_its_worst_relation():
    values = {"a": ABOVE, "b": BASE}
    shown, open_, contradicted = (
        judge(relation, values) for relation in (greater("a", "b"), greater("a", "b", 5), greater("b", "a"))
    )
    assert overall([shown, shown]) == "shown"
    assert overall([shown, open_]) == "inconclusive"
    assert overall([shown, open_, contradicted]) == "contradicted"


SCORES = st.lists(st.tuples(*[st.floats(-100, 100)] * 2), min_size=2, max_size=8)


@given(SCORES, st.floats(0, 50))
def test_mirrored_relations_agree(pairs, margin):
    values = {"a": np.array([a for a, _ in pairs]), "b": np.array([b for _, b in pairs])}
    assert judge(greater("a", "b", margin), values).verdict == judge(less("b", "a", margin), values).verdict
    assert judge(within("a", "b", margin), values).verdict == judge(within("b", "a", margin), values).verdict
    if judge(within("a", "b", margin), values).verdict == "shown":
        assert judge(not_worse("a", "b", margin), values).verdict == "shown"
        assert judge(not_worse("b", "a", margin), values).verdict == "shown"
