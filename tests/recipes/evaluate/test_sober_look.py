"""A sober look believes a gain by many seeds; one seed of equal models believes it every third time or so."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.recipes.evaluate.sober_look import attempts, gain, grades_of, sober_look

SPEC = Spec(Discrete(3), Discrete(2))
# Item 2 first, then 0 and 1 in turn, and one attempt at item 0 too many.
ITEMS, GRADES = [2, 0, 1, 0, 1, 2, 0], [1.0, 1, 0, 0, 1, 1, 1]


def log(grades: list[float] = GRADES) -> Dataset:
    rows = {
        "obs": np.array(ITEMS), "action": np.zeros(7, int), "reward": np.array(grades), "next_obs": np.array(ITEMS),
        "terminated": np.ones(7, bool), "truncated": np.zeros(7, bool),
    }  # fmt: skip
    return dataset_from_transitions(rows, SPEC, name="attempts")


def test_attempts_are_dealt_to_seeds_in_turn() -> None:
    np.testing.assert_array_equal(grades_of(log(), 0.5), [[1, 0, 1], [0, 1, 1]])


def test_what_is_said_of_a_log() -> None:
    look = sober_look(k=2).build(SPEC)
    said = look(log())
    assert (said["seeds"], said["items"], said["pass@k"]) == (2, 3, 1.0)
    assert said["accuracy"] == pytest.approx(4 / 6) and said["seed_deviation"] == 0
    # Items 0 and 1 right once of two: 2 · 1/4 · 2 = 1; √1 / 3.
    assert said["seed_deviation/by_chance"] == pytest.approx(1 / 3)
    both = look(log(), reference=log([1.0, 0, 0, 0, 0, 1, 1]))
    assert both["gain"] == pytest.approx(2 / 6) and both["gain/one_seed"] == pytest.approx(1 / 3)
    # Both seeds gain a third; other items would gain more or less.
    assert both["gain/half_width"] == 0 and both["gain/shown"] == 1 and both["gain/half_width/other_items"] > 0


def test_one_seed_believes_what_ten_do_not() -> None:
    draw = np.random.default_rng(0)
    difficulty = 2 * draw.normal(size=30)
    equal = [gain(*(attempts(0.0, difficulty, 10, draw) for _ in range(2))) for _ in range(400)]
    # Fails where the paired interval over seeds is replaced by the difference of the first.
    assert np.mean([one["gain/one_seed"] >= 0.03 for one in equal]) > 0.25
    assert np.mean([one["gain/shown"] for one in equal]) < 0.025 + 3 * np.sqrt(0.025 / 400)
    better = [gain(attempts(1.5, difficulty, 10, draw), attempts(0.0, difficulty, 10, draw)) for _ in range(50)]
    assert np.mean([one["gain/shown"] for one in better]) > 0.9


def test_other_items_are_refused() -> None:
    with pytest.raises(DataError, match="3 items and 2"):
        gain(np.ones((2, 3), bool), np.ones((2, 2), bool))
