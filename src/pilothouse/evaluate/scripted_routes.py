"""Offline data with two ways to a goal: hand-written walks around a block, by a short route or by a long one.

At the start the two routes lead opposite ways, so that the mean of what was done leads nowhere: data on which a policy
of one mode is at a loss.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.data.dataset import Dataset
from pilothouse.evaluate.scripted_data import mixture
from pilothouse.policies.policy import Carry, Extra
from pilothouse.train.sources import DataSource, WorldSource
from pilothouse.worlds.point_maze import PointMaze

BLOCK = """
    #########
    #.......#
    #S#####G#
    #.#####.#
    #.#####.#
    #.......#
    #########"""
"""A start and a goal on two sides of a block; over it is 8 cells, under it 12."""

SHORT = ((1.5, 1.5), (7.5, 1.5), (7.5, 2.5))
LONG = ((1.5, 5.5), (7.5, 5.5), (7.5, 2.5))
INTERVAL = 0.25
"""Seconds a step: coarse, so that walks take some 14 and 21 steps."""
NEAR = 0.35
"""How close to a way point, in cells, the next one is headed for."""


class Routes(eqx.Module):
    """Walks the point maze by way points: the long route with probability `long`, else the short one.

    Pushes towards the way point, less what speed there is across, plus normal noise of deviation `noise` on each axis.
    """

    long: float = eqx.field(static=True, default=0.5)
    noise: float = eqx.field(static=True, default=0.3)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task
        return jax.random.bernoulli(key, self.long).astype(jnp.int32), jnp.zeros((), jnp.int32)

    def __call__(
        self, obs: Float[Array, " 6"], carry: Carry, key: PRNGKeyArray
    ) -> tuple[Float[Array, " 2"], Carry, Extra]:
        route, leg = carry
        points = jnp.asarray((SHORT, LONG))[route]
        points = jnp.concatenate([points[:-1], obs[None, 4:]])  # the last leg leads to the goal itself
        gap = points[leg] - obs[:2]
        leg = jnp.where((jnp.abs(gap) < NEAR).all(), jnp.minimum(leg + 1, len(SHORT) - 1), leg)
        push = 2.0 * (points[leg] - obs[:2]) - 0.6 * obs[2:4] + self.noise * jax.random.normal(key, (2,))
        return jnp.clip(push, -1.0, 1.0), (route, leg), {}


def two_routes(*, steps: int, long: float = 0.5, noise: float = 0.3, seed: int = 0) -> Dataset:
    """So many steps of walks around the block; a share `long` of the walks takes the long route. Reward 1 at the goal."""
    return mixture("point-maze", [(Routes(long, noise), steps)], seed=seed, maze=BLOCK, interval=INTERVAL)


def around_the_block(*, steps: int, long: float, noise: float = 0.3, horizon: int = 18, seed: int = 0) -> DataSource:
    """`two_routes`, measured by the share of episodes that reach the goal within `horizon` steps."""
    source = WorldSource("point-maze", PointMaze(maze=BLOCK, interval=INTERVAL, horizon=horizon))
    return DataSource(two_routes(steps=steps, long=long, noise=noise, seed=seed), source)


def lengths_by_route(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The lengths of the episodes that reached the goal by the short route, and by the long one."""
    under = np.maximum.reduceat(data.obs[:, 1], data.starts) > 4.0
    done = np.logical_or.reduceat(data.terminated, data.starts)
    return data.lengths[done & ~under], data.lengths[done & under]
