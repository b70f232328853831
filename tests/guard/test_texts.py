"""Disturbed prompts: what may change and what may not; levels that cannot be run are written down."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.guard.texts import Score, mistyped, robustness_of_texts, shouted, spaced
from pilothouse.worlds.tasks import TextTask


def reader(*, strict: bool = False) -> Score:
    """Right where it reads "one" twice; some cannot read capitals at all."""

    def score(tasks, temperature):
        if strict and any(task.prompt != task.prompt.lower() for task in tasks):
            raise DataError("capitals are not in the vocabulary")
        said = ["2" if task.prompt.count("one") == 2 and temperature < 1.2 else "?" for task in tasks]
        return np.array([[float(one == task.answer)] for one, task in zip(said, tasks, strict=True)])

    return score


@given(st.text(max_size=40), st.floats(0, 1), st.integers(0, 99))
def test_digits_signs_and_letters_stay_and_nothing_is_done_at_level_zero(text: str, share: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = mistyped(text, share, generator)
    assert sorted(found) == sorted(text)
    assert [(i, c) for i, c in enumerate(found) if not c.isalpha()] == [
        (i, c) for i, c in enumerate(text) if not c.isalpha()
    ]
    for disturb in (mistyped, shouted, spaced):
        assert disturb(text, 0.0, generator) == text
    assert spaced(text, 1.0, generator).split() == text.split()
    assert shouted(text, 1.0, generator) == " ".join(word.upper() for word in text.split(" "))


def test_the_share_is_that_of_the_letters() -> None:
    found = mistyped("ab" * 10_000, 0.2, np.random.default_rng(0))
    moved = np.mean([a != b for a, b in zip(found, "ab" * 10_000, strict=True)])
    # A pair is swapped at one place in ten, and a pair that was swapped is stepped over: 2 × 0.1 / 1.1 letters.
    assert moved == pytest.approx(0.2 / 1.1, abs=0.02)


def test_curves_show_what_breaks_and_what_cannot_be_run() -> None:
    tasks = [TextTask("one plus one is", "2"), TextTask("one and one makes", "2"), TextTask("1+1=", "?")]
    asked = []
    curves = robustness_of_texts(
        reader(strict=True), tasks, 0.0, np.ones(3), 0.0, progress=lambda done, of, what: asked.append((done, of, what))
    )
    by_name = {curve.test: curve for curve in curves}
    assert set(by_name) == {"typing mistakes", "capitals", "wide gaps", "temperature"}
    assert by_name["wide gaps"].mean == (1.0, 1.0, 1.0, 1.0)
    last = by_name["typing mistakes"].mean[-1]
    assert last is not None and last < 1.0
    assert "vocabulary" in str(by_name["capitals"].faults[-1]) and by_name["capitals"].mean[0] == 1.0
    assert by_name["temperature"].levels == (0.0, 0.5, 1.0, 1.5) and by_name["temperature"].mean[-1] == 1 / 3
    assert [done for done, _, _ in asked] == list(range(len(asked))) and asked[-1][1] == len(asked)


def test_what_finds_nothing_to_disturb_is_left_out() -> None:
    curves = robustness_of_texts(reader(), [TextTask("1+1=", "?")], 0.0, np.ones(1), 0.0, quick=True)
    assert [curve.test for curve in curves] == ["temperature"]
