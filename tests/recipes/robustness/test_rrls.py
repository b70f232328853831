"""The mechanism: what is fine at home may fail within the set, and only the judge over the set can see it."""

import numpy as np
from robust_places import Linear, echo

from pilothouse.evaluate.episodes import evaluate_policy
from pilothouse.recipes.robustness.rrls import WORLD, rrls
from pilothouse.worlds.uncertain import UncertaintySet


def test_the_judge_sees_what_the_nominal_place_hides() -> None:
    place, within = echo(), UncertaintySet.of({"gain": (0.0, 2.0)})
    brittle, cautious = Linear(place.spec, [1.0, 0.0]), Linear(place.spec, [0.8, 0.0])
    assert evaluate_policy(brittle, place, episodes=4).mean > evaluate_policy(cautious, place, episodes=4).mean
    judge = rrls(points=4, episodes=4).build(place.spec)
    one, other = judge(brittle, place, within), judge(cautious, place, within)
    assert one.worst < other.worst and one.where == {"gain": 0.0}
    assert one.returns.shape == (4, 4)


def test_the_claim_s_place_is_one_of_unknown_physics() -> None:
    names = [name for name, _, _ in WORLD.within.ranges]
    assert names == ["mass", "length"]
    for name, low, high in WORLD.within.ranges:
        assert low < getattr(WORLD.world, name) < high
    assert np.isfinite(WORLD.within.grid(5)[0]["mass"])
