"""Ours beside rliable 1.2.0, whose answers tests/oracles/rliable.py wrote down."""

import json
from pathlib import Path

import numpy as np
import pytest

from pilothouse import statistics

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "rliable.json").read_text())
CASES = {case["name"]: case for case in ORACLE["cases"]}
AGGREGATES = ("interquartile_mean", "mean", "median_of_task_means", "optimality_gap")


@pytest.mark.parametrize("name", CASES)
def test_point_estimates_are_equal(name):
    case = CASES[name]
    for statistic in AGGREGATES:
        np.testing.assert_allclose(getattr(statistics, statistic)(case["x"]), case["points"][statistic], atol=1e-12)
    ours = statistics.probability_of_improvement(case["x"], case["y"])
    np.testing.assert_allclose(ours, case["points"]["probability_of_improvement"], atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_interval_ends_are_equal_within_resampling_error(name):
    # The quantile at 2.5% of B normal draws errs by sqrt(0.025 * 0.975 / B) / 0.0584 sigma: 0.019 sigma for our 20000,
    # 0.012 for their 50000, 0.022 together, of a width of 3.92 sigma. Four such errors are 2.3% of the width.
    case = CASES[name]
    for statistic, ends in case["intervals"].items():
        if statistic == "probability_of_improvement":
            ours = statistics.probability_of_improvement_interval(case["x"], case["y"], resamples=20_000)
        else:
            function = getattr(statistics, statistic)
            ours = statistics.stratified_bootstrap_interval(case["x"], function, resamples=20_000)
        np.testing.assert_allclose(ours.to_json(), ends, atol=0.025 * (ends[1] - ends[0]), err_msg=statistic)
