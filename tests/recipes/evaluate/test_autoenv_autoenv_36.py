"""The same rules seen and told otherwise ask other things of an agent: the layers, and not the rules, make the difference."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.evaluate.benchmark import TEXT
from pilothouse.evaluate.text_learners import reads_directions, searches_plans
from pilothouse.recipes.evaluate.autoenv_autoenv_36 import autoenv_autoenv_36, score
from pilothouse.worlds.layered import SEES, TOLD, LayeredSpec

BENCHMARK = autoenv_autoenv_36(episodes=40).build(TEXT)


def test_layers_that_cannot_be_read_take_a_reader_down_to_chance() -> None:
    every = [LayeredSpec(goal=10, sees=sees, told=told) for sees in SEES for told in TOLD]
    said = BENCHMARK(reads_directions, environments=every)
    # Fails where the observation layer or the skin is left out: all nine would be the first of them.
    plain = score(reads_directions, every[0], 0, 20, np.random.default_rng(0))
    assert plain == pytest.approx(1) and said["environments"] == 9
    assert said["score/sees nothing"] < 0.4 and said["score/told in codes"] < 0.4 < said["score/told plainly"]
    # Who looks at nothing finds its way in all of them.
    assert BENCHMARK(searches_plans, environments=every)["score"] > 0.8


def test_the_baseline_is_chance_and_faulty_environments_are_refused() -> None:
    assert abs(BENCHMARK(BENCHMARK.baseline)["score"]) < 0.2
    with pytest.raises(DataError, match="Environment 1: the goal cannot be reached in time"):
        BENCHMARK(BENCHMARK.baseline, environments=[LayeredSpec(), LayeredSpec(side=3, goal=8, walls=(5, 7))])
