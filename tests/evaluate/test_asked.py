"""What is read out of a model's answers: probabilities, yes and no, and whole series only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.asked import Writer, asked_for_a_probability, asked_for_a_series, asked_to_judge
from pilothouse.policies.language_model import LanguageModel, Written


class Says:
    """Gives these answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: str):
        self.answers, self.given, self.prompts = answers, 0, []

    def write(self, prompts: Sequence[str], *, samples: int = 1, **how: Any) -> list[list[Written]]:
        self.prompts += prompts
        rows = [self.answers[(self.given + place) % len(self.answers)] for place in range(samples)]
        self.given += samples
        return [[Written(one, (), (), True) for one in rows]]


@pytest.mark.parametrize(
    ("answer", "probability"),
    [
        (" 0.7", 0.7),
        ("About 35%, I think: 35 in 100", 0.35),
        ("In 2030 it is 1 in 4, so 0.25.", 0.25),
        ("between 0.2 and 0.4", 0.4),
        ("no idea", 0.5),
        ("120%", 0.5),
    ],
)
def test_a_probability_is_the_last_one_named(answer: str, probability: float) -> None:
    model = Says(answer)
    assert asked_for_a_probability(model)("Will it rain?") == probability
    assert model.prompts[0].startswith("Will it rain?\n")


def test_judgements_are_shares_of_yes_among_yes_and_no() -> None:
    assert asked_to_judge(Says("Yes.", "no", "YES, she did", "Perhaps yes"), samples=4)("Story?") == pytest.approx(
        2 / 3
    )
    assert asked_to_judge(Says("maybe", ""), samples=2)("Story?") == 0.5


def test_only_whole_series_count_and_missing_ones_are_asked_for_again() -> None:
    model = Says("(3, 1.5)\n(4, -2)", "(3, 1)", "(4, 9)\n(3, 8)\n(5, 7)", "nothing")
    drawn = asked_for_a_series(model, tries=2)(np.array([1.0, 2.0]), "A word.", 2, 3, np.random.default_rng(0))
    # Of three answers two are whole; the next one is not; the third is one of the two.
    np.testing.assert_array_equal(drawn[:2], [[1.5, -2], [8, 9]])
    assert drawn.shape == (3, 2) and drawn[2].tolist() in drawn[:2].tolist()
    assert "A word." in model.prompts[0] and "(1, 1)\n(2, 2)" in model.prompts[0] and "from 3 to 4" in model.prompts[0]
    with pytest.raises(SettingError, match="None of 1 times 2 answers held all of 2 steps"):
        asked_for_a_series(Says("(3, 1)"), tries=1)(np.zeros(2), "", 2, 2, np.random.default_rng(0))


def test_language_models_are_writers() -> None:
    assert issubclass(LanguageModel, Writer)
