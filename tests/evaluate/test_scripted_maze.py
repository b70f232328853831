"""Walks in the sparse maze: who knows the way is paid for it, and where the goal was not there nobody is."""

import numpy as np

from pilothouse.evaluate.scripted_maze import BEND, LOWER, RING, UPPER, Walker, walks
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.point_maze import PointMaze


def test_a_walk_is_paid_at_its_end_and_goes_on_in_the_same_maze():
    source = walks(BEND, Walker(0.3, 200))
    rows = source.dataset.rows()
    assert rows.reward.sum() == rows.terminated.sum() > 3  # the way takes about 18 steps
    assert set(np.unique(rows.reward)) == {0.0, 1.0}
    place = source.place
    assert isinstance(place, WorldSource) and source.spec == place.spec
    assert place.world == PointMaze(maze=BEND, horizon=30, interval=0.2)


def test_blind_walks_pass_the_goal_and_nothing_says_so():
    rows = walks(BEND, Walker(0.3, 800, wander=True), blind=True).dataset.rows()
    assert not rows.reward.any() and not rows.terminated.any()
    gap = np.linalg.norm(rows.next_obs[:, :2] - rows.next_obs[:, 4:], axis=1)
    assert (gap < 0.3).sum() > 5


def test_who_knows_one_way_only_goes_that_way():
    for knows, up in ((UPPER, True), (LOWER, False)):
        rows = walks(RING, Walker(0.0, 60, knows=knows), horizon=40).dataset.rows()
        assert rows.reward.any() and ((rows.obs[:, 1] < 2).any() == up) and ((rows.obs[:, 1] > 5).any() != up)
