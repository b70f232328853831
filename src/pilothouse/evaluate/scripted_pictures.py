"""Worlds seen as pictures that claims are measured in: a room to cross, and what those who see its state do in it."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.scripted_data import lived
from pilothouse.policies.policy import Carry, Extra, Policy
from pilothouse.worlds.pictures import Pictures
from pilothouse.worlds.point_maze import PointMaze
from pilothouse.worlds.world import World
from pilothouse.worlds.wrappers import Choices, frame_stack

ROOM = """
    #####
    #...#
    #...#
    #..G#
    #####"""
"""Nine cells, the goal in a corner, the start in one of the others."""
PUSHES = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
"""Right, left, down, up."""
SIDE, FRAMES = 12, 2


def room(horizon: int = 20) -> PointMaze:
    """The room, in steps of a fifth of a second; coming nearer is paid, and 1 more for the goal."""
    return PointMaze(maze=ROOM, reward="dense", horizon=horizon, interval=0.2)


def filmed(place: World, *, choices: bool = False, beside: bool = False, **backdrop: Any) -> Any:
    """A world by its last two pictures, 12 pixels a side; with `choices`, only four pushes are to be had."""
    shown = Pictures(place, SIDE, beside=beside, **backdrop)
    return frame_stack(Choices(shown, PUSHES) if choices else shown, FRAMES)


class Sees(eqx.Module):
    """A policy of the state, in a world where pictures stand beside it (the newest state is the last of the stack)."""

    policy: Policy
    size: int = eqx.field(static=True)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        return self.policy(obs["state"][-self.size :], carry, key)


def recorded_pictures(place: World, behaviours: Sequence[tuple[Policy, int]], *, seed: int = 0) -> Dataset:
    """Pictures of what policies of the state do, each for so many steps (`scripted_data.mixture`)."""
    size = place.spec.obs.size
    rows = lived(filmed(place, beside=True), [(Sees(policy, size), steps) for policy, steps in behaviours], seed=seed)
    rows = rows.replace(obs=rows.obs["picture"], next_obs=rows.next_obs["picture"])
    return dataset_from_transitions(rows, filmed(place).spec, name="pictures-mixture-v0")
