"""What agreement does not tell, the weights of factors do: a judge that looks at other things is found."""

import numpy as np
import pytest

from pilothouse.evaluate.benchmark import TEXT
from pilothouse.evaluate.scripted_vignettes import FACTORS, chance_of_yes, present_in
from pilothouse.recipes.evaluate.moca import WEIGHTS, moca, one_study

BENCHMARK = moca(stories=300).build(TEXT)


def test_a_judge_that_leaves_a_factor_out_is_found_though_it_agrees_as_often() -> None:
    blind = WEIGHTS | {"avoidable": 0.0}
    alike, other = (
        BENCHMARK(lambda text, w=weights: chance_of_yes(present_in(text), w)) for weights in (WEIGHTS, blind)
    )
    # Fails where factors are left out and the agreement alone is held: it is nearly the same.
    assert abs(alike["agreement"] - other["agreement"]) < 0.05
    assert other["apart/avoidable"] < -other["apart/avoidable/half_width"]
    assert other["apart/avoidable"] - alike["apart/avoidable"] == pytest.approx(-WEIGHTS["avoidable"])
    assert other["judge/avoidable"] == pytest.approx(0) and other["weighed_otherwise"] >= 1


def test_the_baseline_weighs_nothing() -> None:
    said = BENCHMARK(BENCHMARK.baseline)
    assert said["agreement"] == 0.5 == said["auc"]
    for name in FACTORS:
        assert said[f"judge/{name}"] == pytest.approx(0)
        assert said[f"apart/{name}"] == pytest.approx(-said[f"people/{name}"])


def test_a_study_of_the_claim_alters_three_factors() -> None:
    found = one_study(np.random.default_rng(0))
    assert found["found apart, other weights"] in (0, 1 / 3, 2 / 3, 1)
    assert found["found apart, the same weights"] * 5 == pytest.approx(
        round(found["found apart, the same weights"] * 5)
    )
