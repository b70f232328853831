"""The worst case over a set: found where it is, the same whichever way it is lived, for any policy and place."""

import numpy as np
import pytest
from robust_places import Linear, echo

from pilothouse.core.errors import UnknownNameError
from pilothouse.evaluate.episodes import evaluate_policy
from pilothouse.guard import worst_case
from pilothouse.guard.dynamics import with_values
from pilothouse.guard.worst_case import WorstCase
from pilothouse.train.sources import SimulatorSource, WorldSource
from pilothouse.worlds.registry import world
from pilothouse.worlds.uncertain import UncertaintySet

COPY = Linear(echo().spec, [1.0, 0.0])
BALANCE = Linear(world("cartpole").spec, [0.1, 0.5, 5.0, 1.0])


def test_the_worst_point_is_where_the_policy_is_furthest_off():
    found = WorstCase(points=4, episodes=3)(COPY, echo(), UncertaintySet.of({"gain": (0.5, 2.5)}))  # 0.5, 1, 1.5, 2
    assert found.where == {"gain": 2.0} and found.worst == pytest.approx(4 * found.returns[0].mean(), rel=1e-4)
    assert found.returns[1].tolist() == [0.0, 0.0, 0.0]
    assert found.mean == pytest.approx((1 + 0 + 1 + 4) / 4 * found.returns[0].mean(), rel=1e-4)
    assert found.as_json()["where"] == {"gain": 2.0}


def test_points_lived_side_by_side_are_those_lived_one_by_one(monkeypatch):
    place, within = WorldSource("cartpole", world("cartpole", horizon=40)), UncertaintySet.of({"force": (0.1, 15.0)})
    judge = WorstCase(points=3, episodes=4)
    together = judge(BALANCE, place, within)
    monkeypatch.setattr(worst_case, "constants_by_task", lambda place: {})
    apart = judge(BALANCE, place, within)
    np.testing.assert_allclose(together.returns, apart.returns)
    assert together.worst < 40
    alone = evaluate_policy(BALANCE, with_values(place, together.points[1]), episodes=4)
    np.testing.assert_allclose(together.returns[1], alone.returns)


def test_simulators_are_judged_by_their_models():
    place = SimulatorSource("InvertedPendulum-v5")
    policy = Linear(place.spec, [0.0, 0.3, 0.0, 0.0])
    found = WorstCase(points=2, episodes=2)(policy, place, UncertaintySet.of({"pole.mass": (1.0, 31.0)}))
    assert [point["pole.mass"] for point in found.points] == [1.0, 16.0]
    assert (found.returns[0] != found.returns[1]).any()


def test_unknown_constants_are_named():
    with pytest.raises(UnknownNameError, match="gain"):
        WorstCase(2, 2)(COPY, echo(), UncertaintySet.of({"gian": (0.0, 1.0)}))
