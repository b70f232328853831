"""Confidence sequences: worked by hand, and right under continuous peeking, which ordinary intervals are not."""

import math

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.paired import mean_interval
from pilothouse.statistics.sequential import (
    asymptotic_sequence,
    bounded_sequence,
    log_wealth,
    stakes,
    sub_gaussian_sequence,
)

ALPHA = 0.1


def test_two_bets_are_as_worked_by_hand() -> None:
    # Level 0.95. First stake: variance 1/4 before any value: √(2 ln 40 / (1/4 · 1 · ln 2)) = √(7.37776 / 0.173287).
    # After the value 1: mean (1/2 + 1) / 2 = 3/4, variance (1/4 + 1/16) / 2 = 5/32; second: √(7.37776 / (5/32 · 2 ln 3)).
    first, second = math.sqrt(7.377758908 / 0.173286795), math.sqrt(7.377758908 / (0.15625 * 2 * 1.098612289))
    np.testing.assert_allclose(stakes(np.array([1.0, 0.0]), 0.95), [first, second], rtol=1e-9)
    # Against 1/2 both exceed 0.5 / 0.5 = 1, which is what is staked: 1/2 · (1 + 1/2) = 3/4, then · (1 - 1/2) = 3/8.
    wealth = log_wealth(np.array([1.0, 0.0]), np.array([0.5]), 0.95)[:, 0]
    np.testing.assert_allclose(np.exp(wealth), [0.75, 0.375])
    # Against 0.1 the stakes are at most 5 above and 0.555… below: 1/2 (1 + 4.5), then times 1 - 0.1 · min(4.6, 5).
    wealth = log_wealth(np.array([1.0, 0.0]), np.array([0.1]), 0.95)[:, 0]
    np.testing.assert_allclose(np.exp(wealth), [2.75, 2.75 * (1 - 0.1 * min(second, 5))])


def test_the_mixture_is_as_worked_by_hand() -> None:
    # α = 0.1: 2 ln 10 = 4.60517, ln(1 + 4.60517) = 1.72369: r = 30 / 6.32886 = 4.74019 for sigma 1.
    # After one value: √(5.74019 (ln(5.74019 / 4.74019) + 4.60517)) = √(5.74019 · 4.79659) = 5.24724.
    found = sub_gaussian_sequence([0.5], sigma=1.0, level=0.9)
    np.testing.assert_allclose([found.low[0], found.high[0]], [0.5 - 5.24724, 0.5 + 5.24724], atol=2e-4)
    wide = sub_gaussian_sequence(np.zeros(400), sigma=2.0, level=0.9)
    np.testing.assert_allclose(wide.high, 2 * sub_gaussian_sequence(np.zeros(400), sigma=1.0, level=0.9).high)
    # Near the count that was asked for no other mixture is much tighter.
    halves = [sub_gaussian_sequence(np.zeros(30), sigma=1.0, tightest=t).high[-1] for t in (5, 20, 30, 45, 300)]
    assert min(halves) > 0.99 * halves[2] and halves[0] > halves[2] < halves[4]


def runs(draw, count=400, length=300):
    return [draw(np.random.default_rng(seed), length) for seed in range(count)]


def ever_wrong(sequences, truth) -> float:
    return float(np.mean([one.decided(truth) is not None for one in sequences]))


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_bounded_values_mislead_no_more_often_than_said_however_often_one_looks(rate) -> None:
    values = runs(lambda draw, n: (draw.random(n) < rate).astype(float))
    wrong = ever_wrong([bounded_sequence(x, low=0, high=1, level=1 - ALPHA, grid=100) for x in values], rate)
    assert wrong <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / 400)


def test_differences_of_normal_values_mislead_no_more_often_than_said_and_students_interval_does() -> None:
    values = runs(lambda draw, n: draw.normal(size=n))
    wrong = ever_wrong([sub_gaussian_sequence(x, sigma=1.0, level=1 - ALPHA) for x in values], 0.0)
    assert 0.005 < wrong <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / 400)
    peeks = range(5, 300, 5)
    peeked = [any(not mean_interval(x[:t], level=1 - ALPHA).contains(0) for t in peeks) for x in values[:100]]
    assert np.mean(peeked) > 3 * ALPHA


def test_without_a_known_spread_the_mixture_takes_that_of_the_values_so_far() -> None:
    values = np.random.default_rng(0).normal(7.0, 3.0, 200)
    found = asymptotic_sequence(values, first=40)
    assert not found.after(39).known and found.after(40).known
    # Theorem 2.2 in its own letters: σ √(2 (t ρ² + 1) / (t² ρ²) ln(√(t ρ² + 1) / α)).
    doubt = 2 * math.log(1 / 0.05)
    rho, spread = math.sqrt((doubt + math.log(1 + doubt)) / 100), values[:40].std(ddof=1)
    half = spread * math.sqrt(2 * (40 * rho**2 + 1) / (40 * rho) ** 2 * math.log(math.sqrt(40 * rho**2 + 1) / 0.05))
    np.testing.assert_allclose([found.low[39], found.high[39]], values[:40].mean() + np.array([-half, half]))
    moved = asymptotic_sequence(1e6 - 2 * values, first=40)
    np.testing.assert_allclose(moved.high[40:], 1e6 - 2 * found.low[40:], rtol=1e-12)
    assert (np.diff(found.low[39:]) >= 0).all() and (np.diff(found.high[39:]) <= 0).all()


def test_it_is_misled_about_as_often_as_said_and_says_nothing_of_values_that_were_all_alike() -> None:
    for draw in (lambda r, n: r.normal(size=n), lambda r, n: r.exponential(size=n) - 1.0):
        wrong = ever_wrong([asymptotic_sequence(x, level=1 - ALPHA) for x in runs(draw)], 0.0)
        assert wrong <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / 400)
    assert not asymptotic_sequence(np.ones(500)).after(500).known
    late = asymptotic_sequence(np.r_[np.ones(100), 0.0, np.ones(100)])
    assert not late.after(100).known and late.after(101).known
    leap = asymptotic_sequence(np.r_[np.random.default_rng(0).normal(size=400), np.full(5000, 9.0)])
    assert (leap.low <= leap.high).all()


def test_it_stops_sooner_where_there_is_more_to_see() -> None:
    values = runs(lambda draw, n: draw.normal(size=n), count=40, length=2000)
    stops = [[sub_gaussian_sequence(x + shift, sigma=1.0).decided(0) for x in values] for shift in (1.0, 0.3)]
    assert all(stop is not None for stop in sum(stops, []))
    assert np.median(stops[0]) < 25 < np.median(stops[1]) < 300
    # Little spread narrows the bounded interval: no range of values has to be paid for that never occurs.
    draw = np.random.default_rng(0)
    tight = bounded_sequence(0.5 + 0.01 * draw.uniform(-1, 1, 300), low=0, high=1)
    loose = bounded_sequence((draw.random(300) < 0.5).astype(float), low=0, high=1)
    assert tight.after(300).half_width < 0.25 * loose.after(300).half_width
    assert (tight.narrow(0.1) or 999) < (loose.narrow(0.1) or 999)


def test_intervals_shrink_and_follow_units_and_sign() -> None:
    values = np.random.default_rng(1).beta(2, 5, 200)
    found = bounded_sequence(values, low=0, high=1)
    assert (np.diff(found.low) >= 0).all() and (np.diff(found.high) <= 0).all()
    assert found.after(200).contains(2 / 7) and found.after(1).half_width > 0.4
    scaled = bounded_sequence(10 * values - 3, low=-3, high=7)
    np.testing.assert_allclose(scaled.low, 10 * found.low - 3, atol=1e-9)
    turned = bounded_sequence(-values, low=-1, high=0)
    np.testing.assert_allclose(turned.low, -found.high, atol=1e-12)
    # A coarse grid rounds outwards.
    coarse = bounded_sequence(values, low=0, high=1, grid=20)
    assert (coarse.low <= found.low + 1e-12).all() and (coarse.high >= found.high - 1e-12).all()


def test_a_mean_that_moves_refutes_all_and_keeps_the_last_interval() -> None:
    found = bounded_sequence(np.r_[np.zeros(300), np.ones(3000)], low=0, high=1, grid=50)
    assert np.isfinite(found.low).all() and found.high[-1] <= 0.1


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="no value outside"):
        bounded_sequence([0.5, 1.5], low=0, high=1)
    with pytest.raises(SettingError, match="expected both above 0"):
        sub_gaussian_sequence([0.5], sigma=0.0)
    with pytest.raises(SettingError, match="first=1 were given"):
        asymptotic_sequence([0.5, 0.6], first=1)
    with pytest.raises(SettingError, match="level"):
        sub_gaussian_sequence([0.5], sigma=1.0, level=1.0)
