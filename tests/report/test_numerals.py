"""How numbers are written."""

import math

import numpy as np
import pytest

from pilothouse.report import numerals
from pilothouse.statistics import Interval


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9342.4, "9,342"),
        (177, "177"),
        (59.31, "59.3"),
        (7.126, "7.13"),
        (0.0412, "0.0412"),
        (0.71, "0.71"),
        (1.2e-7, "1.2e-07"),
        (0, "0"),
        (-0.0, "0"),
        (-12.04, "−12.0"),
        (12_345_678, "12.3M"),
        (np.float32(2.5), "2.50"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value, shown):
    assert numerals.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (250, "250"),
        (12_500, "12.5k"),
        (999_600, "1M"),
        (1e6, "1M"),
        (2.5e9, "2.5G"),
        (0.25, "0.25"),
        (-3e3, "−3k"),
    ],
)
def test_si(value, shown):
    assert numerals.si(value) == shown


def test_intervals_counts_durations_and_lists():
    assert numerals.interval(Interval(-1.5, 9300)) == "−1.50 to 9,300"
    assert numerals.interval(Interval(-math.inf, math.inf)) == numerals.interval(None) == "–"
    assert [numerals.count(1, "seed"), numerals.count(5_000, "seed")] == ["1 seed", "5,000 seeds"]
    assert [numerals.duration(s) for s in (4.21, 58.4, 200, 7500)] == ["4.2 s", "58 s", "3 min 20 s", "2 h 5 min"]
    assert numerals.listed(["a"]) == "a"
    assert numerals.listed(["a", "b", "c"]) == "a, b and c"
