"""What the words bring is seen by the score: more than by the plain one where they are about few steps."""

import numpy as np
import pytest

from pilothouse.evaluate.benchmark import TEXT
from pilothouse.evaluate.contextual_forecasts import reading_forecast
from pilothouse.evaluate.scripted_contexts import scripted_contexts
from pilothouse.recipes.evaluate.cik import cik

BENCHMARK = cik(tasks=40).build(TEXT)


def test_words_bring_what_they_bring_and_nothing_to_who_does_not_read() -> None:
    said = BENCHMARK(reading_forecast)
    assert said["gain"] > said["gain/half_width"] > 0 and said["broken"] == 0 < said["no_context/broken"]
    assert said["gain"] == pytest.approx(said["no_context/rcrps"] - said["rcrps"])
    blind = BENCHMARK(BENCHMARK.baseline)
    assert (blind["gain"], blind["gain/half_width"]) == (0, 0)
    assert blind["rcrps"] == pytest.approx(said["no_context/rcrps"])


def test_steps_that_the_words_are_about_weigh_half_of_the_score() -> None:
    held = [task for task in scripted_contexts(40, np.random.default_rng(1)) if task.kind == "event"]
    plain = [task._replace(region=np.zeros_like(task.region)) for task in held]
    with_region, without = (BENCHMARK(BENCHMARK.baseline, given=tasks)["rcrps"] for tasks in (held, plain))
    # The event is 3 of 12 steps and nearly all of the error: half of the score in place of a quarter. Fails where all
    # steps count alike.
    assert with_region / without == pytest.approx(2, abs=0.1)
