"""The tournament tells who hugs the middle from who knows nothing, though both fall behind the crowd."""

import numpy as np
import scipy.special

from pilothouse.evaluate.benchmark import TEXT
from pilothouse.evaluate.forecasting import Question
from pilothouse.evaluate.scripted_questions import by_the_record
from pilothouse.recipes.evaluate.gpt_4_forecasting_tournament import gpt_4_forecasting_tournament

HELD = gpt_4_forecasting_tournament(questions=400).build(TEXT)


def test_who_hugs_the_middle_improves_if_bolder_and_who_is_blind_does_not() -> None:
    draw = np.random.default_rng(0)
    timid = HELD(lambda text: 0.5 + 0.3 * (by_the_record(text) - 0.5))
    blind = HELD(lambda text: float(scipy.special.expit(draw.normal())))
    for said in (timid, blind):
        assert said["over_crowd"] > said["over_crowd/half_width"]
    # Fails where the score alone is looked at, or the distance from the crowd's boldness alone.
    assert timid["extremised"] > timid["extremised/half_width"]
    assert blind["extremised"] < -blind["extremised/half_width"]
    assert timid["nearer_half"] > timid["nearer_half/half_width"]


def test_the_baseline_scores_a_quarter_and_reading_the_record_beats_it() -> None:
    assert HELD(HELD.baseline)["brier"] == 0.25
    said = HELD(by_the_record)
    assert -said["over_half"] > said["over_half/half_width"]


def test_a_user_brings_questions() -> None:
    asked = [Question("a?", (0.8,), True), Question("b?", (0.5,), False)]
    said = HELD(lambda text: {"a?": 1.0, "b?": 0.0}[text], asked=asked)
    assert (said["questions"], said["brier"], said["over_crowd"]) == (2, 0, -(0.04 + 0.25) / 2)
