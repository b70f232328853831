"""The hand-written behaviours of the offline suite: a planner in the point maze, and a driver who rocks the car."""

from collections import deque
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.policies.policy import Carry, Extra, Memoryless
from pilothouse.worlds.point_maze import PointMaze


def ways(maze: PointMaze) -> tuple[Int[np.ndarray, "cell cell"], Int[np.ndarray, "cell cell"]]:
    """For every two open cells (in the order of `cells`): the next cell on a shortest way, and its length in cells.

    Cells are neighbours where they share a side. From a cell to itself the next cell is itself and the length 0; where
    no way leads, the next cell is the cell itself and the length -1.
    """
    cells = [tuple(cell) for cell in open_cells(maze).tolist()]
    number = {cell: i for i, cell in enumerate(cells)}
    after = np.tile(np.arange(len(cells))[:, None], (1, len(cells)))
    length = np.full(after.shape, -1)
    for goal, place in enumerate(cells):
        length[goal, goal] = 0
        waiting = deque([place])
        while waiting:  # outwards from the goal, so that whence a cell was found is its next step
            x, y = cell = waiting.popleft()
            for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if near in number and length[number[near], goal] < 0:
                    length[number[near], goal] = length[number[cell], goal] + 1
                    after[number[near], goal] = number[cell]
                    waiting.append(near)
    return after, length


def open_cells(maze: PointMaze) -> Int[np.ndarray, "cell 2"]:
    """x and y of every cell that is no wall, row by row."""
    return np.argwhere(~maze.walls)[:, ::-1]


class MazePlanner(eqx.Module):
    """Walks the point maze from cell to cell along a shortest way to its goal, with noise on every push.

    Pushes towards the middle of the next cell (towards the goal itself, within its cell) less what speed there is, plus
    normal noise of deviation `noise` on each axis. With `wander` the maze's own goal is ignored: it heads for a cell
    drawn at random, and for another whenever it comes there.
    """

    maze: PointMaze = eqx.field(static=True)
    noise: float = eqx.field(static=True, default=0.5)
    wander: bool = eqx.field(static=True, default=False)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task
        return jax.random.randint(key, (), 0, len(open_cells(self.maze)))

    def __call__(
        self, obs: Float[Array, " 6"], carry: Carry, key: PRNGKeyArray
    ) -> tuple[Float[Array, " 2"], Carry, Extra]:
        cells, after = open_cells(self.maze), jnp.asarray(ways(self.maze)[0])
        middles = jnp.asarray(cells, jnp.float32) + 0.5
        here = jnp.argmin(((middles - obs[:2]) ** 2).sum(axis=1))
        noise, draw = jax.random.split(key)
        goal = obs[4:]
        if self.wander:
            carry = jnp.where(here == carry, jax.random.randint(draw, (), 0, len(cells)), carry)
            goal = middles[carry]
        last = jnp.argmin(((middles - goal) ** 2).sum(axis=1))
        target = jnp.where(here == last, goal, middles[after[here, last]])
        push = 2.0 * (target - obs[:2]) - 0.6 * obs[2:4] + self.noise * jax.random.normal(noise, (2,))
        return jnp.clip(push, -1.0, 1.0), carry, {}


def near_tasks(maze: PointMaze, most: int) -> Any:
    """Draws tasks, `(key) -> task`, whose goal is at most `most` cells from its start by the shortest way, and not 0."""
    cells, (_, length) = open_cells(maze), ways(maze)
    pairs = np.argwhere((length > 0) & (length <= most))

    def draw(key: PRNGKeyArray) -> PyTree:
        which, off = jax.random.split(key)
        start, goal = jnp.asarray(cells[pairs], jnp.float32)[jax.random.randint(which, (), 0, len(pairs))] + 0.5
        shift = maze.jitter * jax.random.uniform(off, (4,), minval=-1.0)
        return {"start": jnp.concatenate([start + shift[:2], jnp.zeros(2)]), "goal": goal + shift[2:]}

    return draw


class Rocking(Memoryless):
    """Drives the mountain car by pushing the way that it rolls, which pumps energy; `push` in [0, 1] says how hard.

    Normal noise of deviation `noise` is added to every push.
    """

    push: float = eqx.field(static=True, default=1.0)
    noise: float = eqx.field(static=True, default=0.2)

    def __call__(
        self, obs: Float[Array, " 2"], carry: Carry, key: PRNGKeyArray
    ) -> tuple[Float[Array, " 1"], Carry, Extra]:
        way = jnp.where(obs[1] < 0, -1.0, 1.0)
        return jnp.clip(self.push * way + self.noise * jax.random.normal(key), -1.0, 1.0)[None], carry, {}
