"""Karel: a robot that turns, walks and moves markers about in a small yard, and sees no further than the next cell.

In the manner of Pattis, "Karel the Robot" (1981), and of the tasks of LEAPS (Trivedi et al., arXiv:2108.13643): as in their
code, a step into a wall turns the robot round, and a cell holds one marker at most.
"""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.errors import SettingError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.timed import outcome
from pilothouse.worlds.world import Outcome, Task

ACTIONS = ("move", "turn_left", "turn_right", "pick", "put")
PERCEPTIONS = ("front_is_clear", "left_is_clear", "right_is_clear", "markers_present")
TASKS = ("four-corners", "harvest", "sow", "stairs", "anywhere")

_MOVE, _LEFT, _RIGHT, _PICK, _PUT = range(5)
_AHEAD = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
"""One cell north, east, south, west: headings are numbered clockwise."""


class Yard(eqx.Module):
    """Where the walls and markers are, the robot and its heading, the cell it has to reach, and the steps so far."""

    walls: Bool[Array, "side side"]
    markers: Bool[Array, "side side"]
    place: Int[Array, "2"]
    heading: Int[Array, ""]
    goal: Int[Array, "2"]
    time: Int[Array, ""]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Karel:
    """Observation: for each cell 1 where there is a wall, then a marker, then the robot heading north, east, south, west.

    Action: one of `ACTIONS`; to pick where no marker lies and to put where one does leaves all as it is. Beyond the yard
    is wall. A step pays what it adds to the share of its task that is done, and the whole of it terminates:

    - `four-corners`: a marker in each corner, a quarter each. One put anywhere else terminates.
    - `harvest`: all markers picked up, of a yard full of them.
    - `sow`: all markers of the last row picked up, and one in each cell of the first. One put between them terminates.
    - `stairs`: the marked cell reached, further up a stair.
    - `anywhere`: nothing to be done, among random walls and markers.

    The robot begins in the last row, heading east; on a stair, on one of its lower steps; or anywhere. Truncated at
    `horizon`.
    """

    actions: ClassVar[tuple[str, ...]] = ACTIONS

    task: str = "four-corners"
    side: int = 6
    horizon: int = 200

    def __post_init__(self) -> None:
        if self.task not in TASKS or self.side < 3:
            raise SettingError(
                f"task={self.task!r}, side={self.side}; expected one of {', '.join(TASKS)}, and 3 or more."
            )

    @property
    def spec(self) -> Spec:
        return Spec(Box((6 * self.side**2,), 0.0, 1.0), Discrete(len(ACTIONS)))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Yard, Float[Array, " cells"]]:
        del task
        last, none = self.side - 1, jnp.zeros((self.side, self.side), bool)
        place = jnp.stack([jnp.int32(last), jax.random.randint(named(key, "place"), (), 0, self.side)])
        heading, walls, markers, goal = jnp.int32(1), none, none, jnp.zeros(2, jnp.int32)
        if self.task == "harvest":
            markers = ~none
        if self.task == "sow":
            markers = none.at[last].set(True)
        if self.task == "stairs":
            # A step is a cell to the right and one up; what lies below the diagonal is the stair's own stone.
            rows, columns = np.indices((self.side, self.side))
            walls = jnp.asarray(rows + columns > last)
            low, more = jax.random.randint(named(key, "stairs"), (2,), 0, jnp.array([self.side // 2, last]))
            high = low + 1 + more % (last - low)
            place, goal = jnp.stack([last - low, low]), jnp.stack([last - high, high])
            markers = none.at[goal[0], goal[1]].set(True)
        if self.task == "anywhere":
            place = jax.random.randint(named(key, "anywhere"), (2,), 0, self.side)
            heading = jax.random.randint(named(key, "heading"), (), 0, 4)
            walls = jax.random.bernoulli(named(key, "walls"), 0.15, none.shape).at[place[0], place[1]].set(False)
            markers = jax.random.bernoulli(named(key, "markers"), 0.4, none.shape) & ~walls
        state = Yard(walls, markers, place, heading, goal, jnp.zeros((), jnp.int32))
        return state, self.seen(state)

    def step(self, state: Yard, action: Int[Array, ""], key: PRNGKeyArray) -> tuple[Yard, Outcome]:
        del key  # nothing is left to chance
        before, state = self.share_done(state), self.moved(state, action)
        done = self.share_done(state)
        over = self.over(state, done)
        return state, outcome(self.seen(state), done - before, over, state.time, self.horizon)

    def moved(self, state: Yard, action: Int[Array, ""]) -> Yard:
        """What an action makes of the yard, whatever the task."""
        to = state.place + jnp.asarray(_AHEAD)[state.heading]
        free = self._clear(state, 0)
        turn = jnp.array([0, -1, 1, 0, 0])[action] + jnp.where((action == _MOVE) & ~free, 2, 0)
        here = self._here(state.place)
        markers = jnp.where(here & (action == _PICK), False, state.markers | (here & (action == _PUT)))
        place = jnp.where((action == _MOVE) & free, to, state.place)
        return Yard(state.walls, markers, place, (state.heading + turn) % 4, state.goal, state.time + 1)

    def perceived(self, state: Yard) -> Bool[Array, "4"]:
        """What the robot itself knows, in the order of `PERCEPTIONS`."""
        marked = (state.markers & self._here(state.place)).any()
        return jnp.stack([self._clear(state, 0), self._clear(state, -1), self._clear(state, 1), marked])

    def share_done(self, state: Yard) -> Float[Array, ""]:
        """How much of the task is done, from 0 to 1."""
        if self.task == "four-corners":
            return state.markers[:: self.side - 1, :: self.side - 1].mean(dtype=jnp.float32)
        if self.task == "harvest":
            return 1.0 - state.markers.mean(dtype=jnp.float32)
        if self.task == "sow":
            return (state.markers[0].mean(dtype=jnp.float32) + 1.0 - state.markers[-1].mean(dtype=jnp.float32)) / 2
        if self.task == "stairs":
            return (state.place == state.goal).all().astype(jnp.float32)
        return jnp.zeros(())

    def over(self, state: Yard, done: Float[Array, ""]) -> Bool[Array, ""]:
        """Whether all is done, or can no longer be."""
        lost = jnp.zeros((), bool)
        if self.task == "four-corners":
            lost = state.markers.sum() > state.markers[:: self.side - 1, :: self.side - 1].sum()
        if self.task == "sow":
            lost = state.markers[1:-1].any()
        return (done > 1 - 1e-6) | lost

    def seen(self, state: Yard) -> Float[Array, " cells"]:
        """The observation."""
        robot = self._here(state.place) & (jnp.arange(4) == state.heading)[:, None, None]
        return jnp.concatenate([state.walls[None], state.markers[None], robot]).reshape(-1).astype(jnp.float32)

    def render(self, state: Yard) -> drawing.Image:
        """Cells with walls, markers and the robot, its head where it is heading, above a bar of the steps so far."""
        image, cell = drawing.blank(336, 320), 300 // self.side
        for (row, column), wall in np.ndenumerate(np.asarray(state.walls)):
            x, y = 10 + cell * column, 10 + cell * row
            drawing.box(image, x, y, x + cell - 2, y + cell - 2, drawing.INK if wall else drawing.MIST)
            if state.markers[row, column]:
                drawing.disc(image, np.array([x + cell / 2, y + cell / 2]), cell / 5, drawing.BRASS)
        centre = 10 + cell * np.asarray(state.place)[::-1] + cell / 2
        drawing.disc(image, centre, cell / 3, drawing.SEA)
        drawing.disc(image, centre + cell / 4 * _AHEAD[int(state.heading)][::-1], cell / 8, drawing.RUST)
        drawing.box(image, 10, 320, 10 + 300 * min(1.0, int(state.time) / self.horizon), 328, drawing.INK)
        return image

    def _here(self, place: Int[Array, "2"]) -> Bool[Array, "side side"]:
        reach = jnp.arange(self.side)
        return (reach == place[0])[:, None] & (reach == place[1])

    def _clear(self, state: Yard, turn: int) -> Bool[Array, ""]:
        """Whether the next cell that way (left -1, ahead 0, right 1) is in the yard and free."""
        to = state.place + jnp.asarray(_AHEAD)[(state.heading + turn) % 4]
        return ((to >= 0) & (to < self.side)).all() & ~(state.walls & self._here(to)).any()
