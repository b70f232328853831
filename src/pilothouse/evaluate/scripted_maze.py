"""The sparse point maze that claims of learners with prior data are measured on: a way to go, and who has gone it."""

from collections.abc import Sequence

from pilothouse.evaluate.scripted_data import mixture
from pilothouse.evaluate.scripted_suite import MazePlanner
from pilothouse.train.sources import ContinuedSource, WorldSource
from pilothouse.worlds.point_maze import PointMaze
from pilothouse.worlds.registry import world

BEND = """
    #####
    #S..#
    ###.#
    #G..#
    #####"""
"""Six cells from the start to the goal, around one wall: too far to be found by chance in an episode of 30 steps."""
RING = """
    #######
    #.....#
    #.###.#
    #S###G#
    #.###.#
    #.....#
    #######"""
"""Eight cells from the start to the goal, by either of two ways."""


def walks(
    maze: str, walkers: Sequence[tuple[float, bool, int]], *, horizon: int = 30, blind: bool = False, seed: int = 0
) -> ContinuedSource:
    """Steps walked in a point maze by planners, and the same maze to go on in, alone: 1 for reaching the goal, else 0.

    `walkers` are `(noise, wander, steps)` of `MazePlanner`, one after the other. When `blind`, the goal was not there
    when the data were made: nothing was paid and no episode ended for reaching it. Episodes have `horizon` steps, of a
    fifth of a second each.
    """
    options = {"maze": maze, "horizon": horizon, "interval": 0.2}
    behaviours = [(MazePlanner(PointMaze(maze=maze), noise, wander), steps) for noise, wander, steps in walkers]
    reach = {"reach": 0.0} if blind else {}
    shown = mixture("point-maze", behaviours, seed=seed, **{**options, **reach})
    return ContinuedSource(shown, WorldSource("point-maze", world("point-maze", **options), 1, options=options))
