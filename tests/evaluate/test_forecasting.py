"""Forecasts against a crowd, counted by hand; files of questions are read or refused."""

from pathlib import Path

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.forecasting import Question, extremised, forecasts_of, read_questions, tournament
from pilothouse.evaluate.scripted_questions import by_the_record, scripted_questions

ASKED = [Question("a?", (0.6, 0.9, 0.8), True), Question("b?", (0.2,), False), Question("c?", (0.4, 0.6), True)]


def test_a_tournament_by_hand() -> None:
    said = tournament(np.array([0.9, 0.4, 0.2]), ASKED)
    # Own (0.01, 0.16, 0.64), the medians 0.8, 0.2 and 0.5: (0.04, 0.04, 0.25).
    assert (said["questions"], said["brier"], said["brier/crowd"], said["brier/half"]) == pytest.approx(
        (3, 0.27, 0.11, 0.25)
    )
    assert (said["over_crowd"], said["over_half"]) == pytest.approx((0.16, 0.02))
    # Distances from a half: the crowd's 0.3, 0.3, 0, its own 0.4, 0.1, 0.3.
    assert said["nearer_half"] == pytest.approx(-0.2 / 3)
    # Paired differences -0.03, 0.12, 0.39: mean 0.16, t(2) = 4.303 times their deviation over √3.
    assert said["over_crowd/half_width"] == pytest.approx(4.30265 * np.std([-0.03, 0.12, 0.39], ddof=1) / np.sqrt(3))


def test_extremised_doubles_log_odds_and_leaves_the_middle() -> None:
    np.testing.assert_allclose(extremised(np.array([0.5, 0.8, 0.0, 1.0])), [0.5, 16 / 17, 0, 1])
    # 16 to 1 is 4 to 1, doubled in logarithms; and 2 is twice 1.
    np.testing.assert_allclose(extremised(extremised(np.array([0.7]), 3), 1 / 3), [0.7])


def test_always_a_half_scores_a_quarter_and_is_no_worse_than_itself() -> None:
    said = tournament(np.full(3, 0.5), ASKED)
    assert (said["brier"], said["over_half"], said["over_half/half_width"], said["extremised"]) == (0.25, 0, 0, 0)


def test_scripted_chances_are_what_the_record_and_the_crowd_say() -> None:
    held = scripted_questions(3000, np.random.default_rng(0))
    happened = np.array([one.happened for one in held])
    said = forecasts_of(by_the_record, held)
    # Under a chance drawn from anything the share that happens among records of k of 8 rises with k.
    shares = [happened[said == value].mean() for value in np.unique(said)]
    assert len(shares) == 9 and shares[0] < 0.1 < 0.4 < shares[4] < 0.6 < 0.9 < shares[-1]
    assert by_the_record("Harbour 3 froze in 2 of the last 8 winters.") == 0.3
    assert by_the_record("Will it rain?") == 0.5


def test_what_is_no_forecast_is_refused() -> None:
    with pytest.raises(SettingError, match=r"Forecast 1.2 of 'a\?'"):
        forecasts_of(lambda text: 1.2, ASKED)
    with pytest.raises(SettingError, match="Forecast nan"):
        forecasts_of(lambda text: float("nan"), ASKED)
    with pytest.raises(DataError, match="two or more"):
        tournament(np.array([0.5]), ASKED[:1])


def test_questions_are_read_and_bad_lines_refused(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_text(
        '{"question": "a?", "crowd": [0.6, 0.9, 0.8], "happened": true}\n\n'
        '{"question": "b?", "crowd": 0.2, "happened": false}\n', encoding="utf-8",
    )  # fmt: skip
    assert read_questions(path) == ASKED[:2]
    for line in ('{"question": "a?", "crowd": [1.2], "happened": true}', '{"question": "a?", "crowd": [0.2]}', "[]"):
        path.write_text(line, encoding="utf-8")
        with pytest.raises(DataError, match="line 1: expected"):
            read_questions(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="no questions"):
        read_questions(path)
