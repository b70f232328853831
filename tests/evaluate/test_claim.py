import dataclasses
import math

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError, WiringError
from pilothouse.evaluate.claim import Claim, Measured, final_seeds, judge_claim, last_finite, run_claim
from pilothouse.evaluate.relations import greater, within


def measure(seeds):
    base = np.asarray(seeds, float) % 7
    return {"new": base + 5.0 + 0.1 * base, "old": base}


CLAIM = Claim(
    recipe="toy",
    statement="The new is better than the old.",
    basis="paper",
    source="paper",
    measure=measure,
    relations=(greater("new", "old"),),
    unit="return",
)


def test_runs_and_judges():
    measured = run_claim(CLAIM, final_seeds(8))
    assert np.asarray(measured.values["old"]).tolist() == [6, 0, 1, 2, 3, 4, 5, 6]  # 1000 % 7 = 6
    assert not np.asarray(measured.diverged["new"]).any()
    judged = judge_claim(CLAIM, measured.values)
    assert (judged.verdict, judged.underpowered) == ("shown", False)


def test_final_seeds_begin_at_1000():
    assert final_seeds(3) == (1000, 1001, 1002)
    assert final_seeds(2, 7) == (7, 8)
    with pytest.raises(SettingError, match="1 or more"):
        final_seeds(0)


def test_arms_are_those_of_the_relations_each_once():
    claim = dataclasses.replace(CLAIM, relations=(greater("a", "b"), within("c", "a", 1.0)))
    assert claim.arms == ("a", "b", "c")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"relations": ()}, WiringError, "asserts nothing"),
        ({"seeds": 4}, SettingError, "5 or more"),
        ({"tried": {"new": (1, 2), "old": (1,)}}, WiringError, "new 2, old 1"),
    ],
)
def test_claims_that_do_not_hold_together_are_refused(change, error, match):
    with pytest.raises(error, match=match):
        dataclasses.replace(CLAIM, **change)


def test_diverged_seeds_keep_their_last_finite_evaluation():
    history = [[1.0, 2.0, 3.0], [1.0, math.nan, 3.0], [1.0, 2.0, math.inf], [5.0, math.nan, math.nan]]
    values, diverged = last_finite(history)
    assert values.tolist() == [3.0, 3.0, 2.0, 5.0]
    assert diverged.tolist() == [False, False, True, True]
    with pytest.raises(DataError, match="evaluate once before training"):
        last_finite([[1.0, 2.0], [math.nan, math.nan]])


def test_diverged_seeds_are_counted():
    def unstable(seeds):
        values, diverged = last_finite([[1.0, math.nan]] + [[1.0, 2.0]] * (len(seeds) - 1))
        return Measured({"new": values, "old": np.zeros(len(seeds))}, {"new": diverged})

    measured = run_claim(dataclasses.replace(CLAIM, measure=unstable), final_seeds(5))
    assert np.asarray(measured.diverged["new"]).tolist() == [True, False, False, False, False]
    assert not np.asarray(measured.diverged["old"]).any()


@pytest.mark.parametrize(
    ("returned", "match"),
    [
        ({"new": [1.0, 2.0]}, r"also need \['old'\]"),
        ({"new": [1.0], "old": [1.0, 2.0]}, r"'new' with shape \(1,\); expected \(2,\)"),
        ({"new": [[1.0], [2.0]], "old": [1.0, 2.0]}, r"shape \(2, 1\)"),
        ({"new": [1.0, math.nan], "old": [1.0, 2.0]}, "arm 'new', seed number 1"),
    ],
)
def test_measurements_that_are_not_one_finite_value_a_seed_are_refused(returned, match):
    with pytest.raises(DataError, match=match):
        run_claim(dataclasses.replace(CLAIM, measure=lambda seeds: returned), (0, 1))


def test_units_may_differ_by_arm():
    claim = dataclasses.replace(CLAIM, unit={"new": "return", "old": "nats"})
    assert (claim.unit_of("new"), claim.unit_of("old"), CLAIM.unit_of("old")) == ("return", "nats", "return")


def test_underpowered_only_when_inconclusive():
    wide = {"new": [0.0, 10.0, 30.0], "old": [1.0, 2.0, 1.5]}
    assert judge_claim(CLAIM, wide).underpowered
    both = dataclasses.replace(CLAIM, relations=(greater("new", "old"), greater("old", "new", 1000.0)))
    judged = judge_claim(both, wide)
    assert (judged.verdict, judged.underpowered) == ("contradicted", False)
    assert judged.relations[0].underpowered
