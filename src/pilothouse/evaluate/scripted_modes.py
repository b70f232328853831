"""One action in the plane, which several ways of acting suit: data whose mean action suits none of them."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.spaces import Box, Spec
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.train.sources import DataSource, WorldSource
from pilothouse.worlds.world import Outcome, Task


@jax.tree_util.register_static
@dataclass(frozen=True)
class ManyWays:
    """Observe a number in [-1, 1], act once in the plane, be paid for being near a way, and the best way pays most.

    The `ways` lie evenly on a circle of radius 0.7, turned by an eighth of a turn for each unit observed. Way k of n pays
    (k + 1) / n at its middle, and less by a bell of deviation `width` around it.
    """

    ways: int = 4
    width: float = 0.3

    @property
    def spec(self) -> Spec:
        return Spec(Box((1,), -1.0, 1.0), Box((2,), -1.0, 1.0))

    def middles(self, obs: Float[Array, "1"]) -> Float[Array, "ways 2"]:
        """Where the ways are, the best last."""
        angle = 0.25 * jnp.pi * obs[0] + 2 * jnp.pi * jnp.arange(self.ways) / self.ways
        return 0.7 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)

    def reward(self, obs: Float[Array, "1"], action: Float[Array, "2"]) -> Float[Array, ""]:
        """What an action is paid: at most 1."""
        far = jnp.square(self.middles(obs) - action).sum(axis=1)
        return ((jnp.arange(self.ways) + 1) / self.ways * jnp.exp(-far / (2 * self.width**2))).max()

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Array, Float[Array, "1"]]:
        del task
        obs = jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0)
        return obs, obs

    def step(self, state: Array, action: Float[Array, "2"], key: PRNGKeyArray) -> tuple[Array, Outcome]:
        del key
        return state, Outcome(state, self.reward(state, action), jnp.array(True), jnp.array(False))


def chosen_ways(rows: int, best: float, *, world: ManyWays = ManyWays(), seed: int = 0) -> DataSource:  # noqa: B008
    """So many actions of somebody who takes the best way with probability `best` and else any other; and the world.

    Every way is missed by normal noise of deviation 0.1.
    """
    draw = np.random.default_rng(seed)
    obs = draw.uniform(-1, 1, (rows, 1)).astype(np.float32)
    way = np.where(draw.random(rows) < best, world.ways - 1, draw.integers(world.ways - 1, size=rows))
    middles = np.asarray(jax.vmap(world.middles)(jnp.asarray(obs)))[np.arange(rows), way]
    action = np.clip(middles + 0.1 * draw.normal(size=(rows, 2)), -1, 1).astype(np.float32)
    made = {
        "obs": obs,
        "action": action,
        "reward": np.asarray(jax.vmap(world.reward)(jnp.asarray(obs), jnp.asarray(action))),
        "next_obs": obs,
        "terminated": np.ones(rows, bool),
        "truncated": np.zeros(rows, bool),
    }
    return DataSource(dataset_from_transitions(made, world.spec, name="chosen-ways"), WorldSource("many-ways", world))
