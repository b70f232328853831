"""The sparse point maze that claims of learners with prior data are measured on: a way to go, and who has gone it."""

from typing import NamedTuple

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


UPPER = RING.replace("#S###G#\n    #.###.#", "#S###G#\n    #####.#")
LOWER = RING.replace("#.###.#\n    #S###G#", "#####.#\n    #S###G#")
"""The ring for those who know only one of its ways."""


class Walker(NamedTuple):
    """So many steps of a `MazePlanner` with this noise, who may wander, and may know (`knows`) a maze with more walls."""

    noise: float
    steps: int
    wander: bool = False
    knows: str | None = None


def walks(maze: str, *walkers: Walker, horizon: int = 30, blind: bool = False, seed: int = 0) -> ContinuedSource:
    """Steps walked in a point maze, and the same maze to go on in, alone: 1 for reaching the goal, else 0.

    When `blind`, the goal was not there when the data were made: nothing was paid and no episode ended for reaching it.
    Episodes have `horizon` steps, of a fifth of a second each.
    """
    options = {"maze": maze, "horizon": horizon, "interval": 0.2}
    behaviours = [(MazePlanner(PointMaze(maze=who.knows or maze), who.noise, who.wander), who.steps) for who in walkers]
    reach = {"reach": 0.0} if blind else {}
    shown = mixture("point-maze", behaviours, seed=seed, **{**options, **reach})
    return ContinuedSource(shown, WorldSource("point-maze", world("point-maze", **options), 1, options=options))
