"""A fish in a lane: it sees three tiles and its own energy, and eats or swims on.

After the robot fish of Tjoa and Guan, "Self Reward Design with Fine-grained Interpretability", doi:10.1038/s41598-023-28804-9,
in the authors' code (ericotjo001/srd), where food lies on every fifth tile. Here it may also lie on one tile in five by
chance, and tiles may be seen through noise.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.timed import Timed, outcome, start_and_constants
from pilothouse.worlds.world import Outcome, Task

EAT, MOVE = 0, 1


@jax.tree_util.register_static
@dataclass(frozen=True)
class RobotFish:
    """Observation: the tile here and the next two (`food` where there is some, else 0, plus normal noise of deviation
    `blur`), and the energy, 0 to 1. Action: 0 eats, 1 moves on by a tile.

    Eating food brings `meal` of energy, up to 1, and empties the tile; everything else costs `effort`. Every step alive
    pays 1; without energy the episode terminates; truncated at `horizon`. With `every`, food lies on one tile in so many,
    from a random one on; without (0), on a `share` of them by chance. A task may be a dict of constants and `start`: the
    three tiles (1 where there is food), the energy, and how many tiles ago the last food lay, seen from the third.
    """

    observation_names: ClassVar[tuple[str, ...]] = ("tile here", "next tile", "tile after", "energy")

    food: float = 0.5
    meal: float = 0.5
    effort: float = 0.05
    share: float = 0.2
    every: int = 0
    blur: float = 0.0
    horizon: int = 200

    @property
    def spec(self) -> Spec:
        return Spec(Box((4,)), Discrete(2))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, "4"]]:
        start, constants = start_and_constants(self, task)
        if start is None:
            by_chance = jax.random.bernoulli(named(key, "tiles"), self.share, (3,))
            place = jnp.arange(3) + jax.random.randint(named(key, "phase"), (), 0, max(self.every, 1))
            tiles = place % self.every == 0 if self.every else by_chance
            start = jnp.append(tiles.astype(jnp.float32), jnp.stack([1.0, place[2] % max(self.every, 1)]))
        state = Timed.at(start, 0, constants)
        return state, self._seen(state, key)

    def step(self, state: Timed, action: Int[Array, ""], key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        tiles, energy = state.body[:3], state.body[3]
        eats = (action == EAT) & (tiles[0] > 0.5)
        energy = jnp.minimum(jnp.where(eats, energy + self.meal, energy - self.effort), 1.0)
        since = (state.body[4] + 1) % max(self.every, 1)
        ahead = since == 0 if self.every else jax.random.bernoulli(named(key, "tile"), self.share)
        ahead = ahead.astype(jnp.float32)
        stays = tiles.at[0].set(jnp.where(eats, 0.0, tiles[0]))
        tiles = jnp.where(action == MOVE, jnp.append(tiles[1:], ahead), stays)
        since = jnp.where(action == MOVE, since, state.body[4])
        after = Timed(jnp.append(tiles, jnp.stack([energy, since])), state.time + 1, state.constants)
        over = energy <= 1e-6
        return after, outcome(self._seen(after, key), 1.0, over, after.time, self.horizon)

    def render(self, state: Timed) -> drawing.Image:
        """The three tiles with what lies on them, and the energy below: `(160, 240, 3)`."""
        image, body = drawing.blank(160, 240), np.asarray(state.body, np.float64)
        for place, food in enumerate(body[:3] > 0.5):
            drawing.box(image, 10 + 80 * place, 20, 70 + 80 * place, 80, drawing.MIST if place else drawing.SEA)
            if food:
                drawing.disc(image, np.array([40 + 80 * place, 50]), 14, drawing.BRASS)
        drawing.box(image, 10, 110, 11 + 219 * float(np.clip(body[3], 0, 1)), 130, drawing.RUST)
        return image

    def _seen(self, state: Timed, key: PRNGKeyArray) -> Float[Array, "4"]:
        noise = self.blur * jax.random.normal(named(key, "seen"), (3,))
        return jnp.append(state.body[:3] * self.food + noise, state.body[3])
