"""Lanes in one program or in two: the same lanes in the same order, read as one."""

import jax
import numpy as np
import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.train import groups
from pilothouse.train.groups import Groups, group_sizes
from pilothouse.train.sources import DataSource


@pytest.mark.parametrize(
    ("lanes", "devices", "wide", "sizes"),
    [
        (3, 2, True, [2, 1]),
        (5, 2, True, [4, 1]),
        (4, 2, True, [4]),
        (1, 2, True, [1]),
        (3, 1, True, [3]),
        (3, 2, False, [3]),
        (3, 4, True, [3]),
        (6, 4, True, [6]),
        (5, 4, True, [4, 1]),
    ],
)
def test_only_an_odd_lane_goes_by_itself(lanes: int, devices: int, wide: bool, sizes: list[int]) -> None:
    assert group_sizes(lanes, devices, wide=wide) == sizes


def test_groups_read_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "group_sizes", lambda lanes, devices, wide: [2, 1])
    source = DataSource(mixed_pendulum(random=300, poor=0, good=0))
    bound = load_recipe("bc")(width=4, depth=1, batch=4)
    rates = [1e-4, 1e-3, 1e-2]
    found = Groups.open(bound, source, seeds=[5, 6, 7], floats={"lr": rates}, steps=None)
    assert found.lanes == 3 and [len(s.machine.lanes) for s in found.sessions] == [2, 1]
    np.testing.assert_allclose(found.floats["lr"], rates)
    parts = found.parts
    for lane in range(3):
        mine = jax.tree.map(lambda x, lane=lane: np.asarray(x)[lane], parts)
        for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(found.policy_parts(lane)), strict=True):
            np.testing.assert_array_equal(a, b)
    assert found.diverged() == [False] * 3 and found.fault_lines() == []
