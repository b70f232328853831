"""Marks of verifiers are counted by hand; scripted completions are worth what they say; files are read or refused."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.scripted_verification import KINDS, scripted_items
from pilothouse.evaluate.verification import Item, contested, marks, read_items, verdicts
from pilothouse.evaluate.verifiers import contains, exact, number
from pilothouse.worlds.tasks import TextTask

FRACTION = re.compile(r"(?:It is |\\frac\{)?(\d+)(?:/|\}\{)(\d+)[.}]?")

ITEMS = [
    Item(TextTask("6*7?", "42"), "42", True, "number"),  # all three accept
    Item(TextTask("6*7?", "42"), "It is 42.", True, "number"),  # not exact
    Item(TextTask("6*7?", "42"), "42, no, 43", False, "number"),  # contains alone
    Item(TextTask("Where?", "Porto"), "porto", True, "text"),  # contains alone; no number
    Item(TextTask("Where?", "Porto"), "Genoa", False, "text"),  # none; no number
]


def test_marks_counted_by_hand() -> None:
    said = verdicts(number, ITEMS)
    np.testing.assert_array_equal(said.accepted, [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(said.refused, [0, 0, 0, 1, 1])
    assert marks(said, ITEMS) == pytest.approx(
        # Right about 42, 42, 43 and Genoa; rejects one of three right ones.
        {"accuracy": 0.8, "refused": 0.4, "accepts_wrong": 0, "rejects_right": 1 / 3,
         "accuracy/number": 1, "accuracy/text": 0.5}
    )  # fmt: skip
    assert marks(verdicts(contains, ITEMS), ITEMS)["accepts_wrong"] == 0.5
    assert "accepts_wrong" not in marks(verdicts(exact, ITEMS[:2]), ITEMS[:2])


def test_the_hard_part_is_where_the_panel_disagrees() -> None:
    np.testing.assert_array_equal(contested([exact, contains, number], ITEMS), [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(contested([exact, number], ITEMS), [0, 1, 0, 0, 0])
    assert not contested([number, number], ITEMS).any()
    with pytest.raises(SettingError, match="cannot disagree"):
        contested([exact], ITEMS)


def test_scripted_completions_are_worth_what_they_say() -> None:
    items = scripted_items(400, np.random.default_rng(0))
    assert [item.right for item in items] == [True, False] * 400  # balanced
    by_kind = {kind: [item for item in items if item.kind == kind] for kind in KINDS}
    assert {kind: len(found) for kind, found in by_kind.items()} == dict.fromkeys(KINDS, 200)
    for item in items:
        # A wrong completion is never the answer itself; a right one of a number ends with it unless days follow.
        assert item.right or not exact(item.task, item.completion)
    for item in by_kind["number"]:
        assert number(item.task, item.completion) == item.right or (item.right and item.completion.endswith("days."))
    for item in by_kind["text"]:
        assert contains(item.task, item.completion) >= item.right


def test_scripted_fractions_are_equal_where_they_are_right() -> None:
    checked = set()
    for item in scripted_items(240, np.random.default_rng(1)):
        found = FRACTION.fullmatch(item.completion)
        if item.kind == "fraction" and found:
            assert (Fraction(int(found[1]), int(found[2])) == Fraction(item.task.answer)) == item.right, item
            checked.add((item.right, item.completion[0] == "\\"))
    assert len(checked) == 4  # right and wrong ones, in LaTeX and in plain
    decimals = [item for item in scripted_items(240, np.random.default_rng(1)) if item.completion.startswith("0.")]
    assert decimals and all(item.right and Fraction(item.completion) == Fraction(item.task.answer) for item in decimals)


def test_items_are_read_and_lines_without_a_label_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    lines = [
        '{"question": "6*7?", "answer": "42", "completion": "43", "correct": false, "answer_type": "number"}',
        '\n{"prompt": "a", "answer": "b", "completion": "b", "right": true}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_items(path) == [
        Item(TextTask("6*7?", "42", 1), "43", False, "number"),
        Item(TextTask("a", "b", 3), "b", True, "answer"),
    ]
    for line in ('{"prompt": "a", "answer": "b", "right": true}', '{"prompt": "a", "answer": "b", "completion": "c"}'):
        path.write_text(line, encoding="utf-8")
        with pytest.raises(DataError, match="line 1: expected a `completion`"):
            read_items(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_items(tmp_path / "none.jsonl")
