"""Balls behind a screen: a roll by hand, and what is impossible about impossible scenes."""

import numpy as np

from pilothouse.evaluate.scripted_screens import hurried, jumped, rolled, scenes


def test_a_wall_turns_a_ball_back_and_nothing_else() -> None:
    start, speed = np.array([[-1.0, 0.5], [-1.0, 0.5]]), np.array([[0.3, -0.1], [0.3, -0.1]])
    free, turned = rolled(start, speed, np.array([False, True]))
    np.testing.assert_allclose(free[:6, 0], [-1.0, -0.7, -0.4, -0.1, 0.2, 0.5])
    np.testing.assert_allclose(turned[:6, 0], [-1.0, -0.7, -0.4, -0.1, -0.2, -0.5])
    np.testing.assert_allclose(free[:, 1], turned[:, 1])


def test_impossible_scenes_differ_where_they_are_seen_afterwards_alone() -> None:
    draws = np.random.default_rng(0)
    possible = scenes(50, draws)
    for how, axis in ((jumped, 1), (hurried, 0)):
        moved = how(possible, draws) - possible
        np.testing.assert_array_equal(moved[:, :-2], 0)
        np.testing.assert_allclose(np.abs(moved[:, -2:, axis]), 0.35)
        np.testing.assert_array_equal(moved[:, -2:, 1 - axis], 0)
    assert (scenes(50, draws, wall=True)[:, -1, 0] < 0).all() and (scenes(50, draws, wall=False)[:, -1, 0] > 0).all()
