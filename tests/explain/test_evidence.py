"""Seeking evidence: losses by hand, the plan against a search of all plans, and what withholding does."""

from itertools import product

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.explain.evidence import Inquiry, brier, cuts, levelled, seek_evidence

NONE = np.zeros((1, 3), bool)


def gated(rows: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The label is feature 1 where feature 0 is low and feature 2 where it is high."""
    level = np.random.default_rng(seed).integers(0, 2, (rows, 3))
    return level, np.where(level[:, 0] == 0, level[:, 1], level[:, 2])


def test_brier_scores_by_hand() -> None:
    # (0.8 - 1)^2 + (0.2 - 0)^2 = 0.08, and (0.8)^2 + (0.2 - 1)^2 = 1.28
    np.testing.assert_allclose(brier(np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1])), [0.08, 1.28])


def test_levels_hold_equally_many_rows() -> None:
    obs = np.random.default_rng(0).normal(size=(300, 2)) * [1, 100]
    level = levelled(obs, cuts(obs, 3))
    for column in level.T:
        np.testing.assert_allclose(np.bincount(column), 100, atol=1)
    assert (np.diff(level[np.argsort(obs[:, 1]), 1]) >= 0).all()


def test_few_values_are_levels_of_their_own() -> None:
    column = np.array([0.0, 1.0, 1.0, 1.0])[:, None]
    np.testing.assert_array_equal(levelled(column, cuts(column, 3))[:, 0], [0, 1, 1, 1])


def test_a_belief_by_hand() -> None:
    # The first half is rows 0, 2, 4, 6: labels 0, 0, 1, 1. Where the feature is 1: labels 0, 1, 1 of rows 2, 4, 6;
    # with two rows of shares one half: (1 + 1, 2 + 1) / 5.
    level = np.array([0, 9, 1, 9, 1, 9, 1, 9])[:, None]
    inquiry = Inquiry(level, np.array([0, 1, 0, 1, 1, 1, 1, 1]), 2, 1, 0.0)
    np.testing.assert_allclose(inquiry.belief(((0, 1),)), [0.4, 0.6])


def test_what_to_ask_depends_on_what_was_answered() -> None:
    level, label = gated()
    asked = Inquiry(level, label, 2, 2, 0.01).run(level[:40], np.tile(NONE, (40, 1)))
    np.testing.assert_array_equal(asked.features[:, 0], 0)  # the gate first, and then the feature that it names
    np.testing.assert_array_equal(asked.features[:, 1], np.where(level[:40, 0] == 0, 1, 2))
    assert brier(asked.belief, label[:40]).mean() < 0.02


def test_the_plan_loses_no_more_than_any_other() -> None:
    # Every plan of two questions over binary features: the first, and for each answer the second or to stop there.
    level, label = gated(seed=1)
    label = np.where(np.random.default_rng(2).random(len(label)) < 0.3, 1 - label, label)
    inquiry = Inquiry(level, label, 2, 2, 0.02)
    judged = level[1::2]
    found = []
    for first, *seconds in product(range(3), (None, 0, 1, 2), (None, 0, 1, 2)):
        total = inquiry.cost
        for answer, second in enumerate(seconds):
            share = (judged[:, first] == answer).mean()
            node = inquiry.node(((first, answer),))
            total += share * (node.stop if second is None or second == first else node.ask[second])
        found.append(total)
    assert inquiry.node(()).value == pytest.approx(min(*found, inquiry.node(()).stop), abs=1e-12)


def test_dear_questions_are_not_asked_and_withheld_features_cannot_be() -> None:
    level, label = gated()
    assert (Inquiry(level, label, 2, 2, 5.0).run(level[:5], np.tile(NONE, (5, 1))).features == -1).all()
    withheld = np.tile([True, False, False], (20, 1))
    asked = Inquiry(level, label, 2, 2, 0.01).run(level[:20], withheld)
    assert not (asked.features == 0).any()
    assert brier(asked.belief, label[:20]).mean() > 0.1


def test_one_set_for_all_rows_cannot_follow_the_gate() -> None:
    level, label = gated(2000)
    inquiry = Inquiry(level, label, 2, 2, 0.0)
    fixed = brier(inquiry.run_fixed(level, inquiry.fixed()), label).mean()
    assert fixed == pytest.approx(0.25, abs=0.03)  # (1, 2): sure where they agree, 0.5 lost where they do not
    with pytest.raises(DataError, match="two halves"):
        Inquiry(level[:1], label[:1], 2, 2, 0.0)


def test_withholding_what_was_asked_for_costs_more_than_withholding_at_random() -> None:
    level, label = gated(1000)
    spare = np.random.default_rng(5).integers(0, 2, (1000, 3))  # says nothing
    found = seek_evidence(
        "abcdef", np.hstack([level, spare]) + 0.0, label, 2, levels=2, budget=2, cost=0.01, held_out=0.4, seed=0
    )
    assert found.faithful and found.sanity_passed and found.error < 0.05
    assert found.loss < 0.02 < found.fixed and found.withheld > found.withheld_at_random + 0.1
    assert found.share["a"] == 1.0 and found.share["b"] + found.share["c"] == pytest.approx(1.0)
    assert found.traces[0]["asked"][0] == "a" and found.asked == 2.0
