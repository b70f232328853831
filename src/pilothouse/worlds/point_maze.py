"""PointMaze: push a small square body through a maze of unit cells to a goal.

Our own dynamics, in the spirit of the point mazes of D4RL (Fu et al., arXiv:2004.07219). Lengths are in cells, x to the
right and y down as the maze is drawn. Per step, per axis: velocity' = velocity + interval (power action - drag
velocity), then the body moves by interval velocity', first along x, then along y. A motion that would enter a wall
stops `SKIN` short of its face and loses that axis' velocity; no motion is longer than 0.9 cells, so nothing tunnels.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.errors import SettingError, unknown
from pilothouse.core.spaces import Box, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.observed import POINT_MAZE
from pilothouse.worlds.timed import check_reward, outcome, start_and_constants
from pilothouse.worlds.world import Outcome, Task

MAZES = {
    "umaze": """
        #####
        #...#
        ###.#
        #...#
        #####""",
    "medium": """
        ########
        #..##..#
        #..#...#
        ##...###
        #..#...#
        #.#..#.#
        #...#..#
        ########""",
    "open": """
        #######
        #.....#
        #.....#
        #.....#
        #.....#
        #######""",
}
"""Mazes by name: `#` wall, `.` open; in drawings of one's own, `S` and `G` are the only starts and goals."""
SKIN = 1e-4
"""Gap left between body and wall, in cells: far above the rounding of float32, far below anything that matters."""


class PointState(eqx.Module):
    """`body` is x, y (cells) and their velocities (cells/s); `goal` is x, y; `time` counts steps since the reset."""

    body: Float[Array, "4"]
    goal: Float[Array, "2"]
    time: Int[Array, ""]
    constants: dict[str, Float[Array, ""]]


@jax.tree_util.register_static
@dataclass(frozen=True)
class PointMaze:
    """Observation: position, velocity, goal (6 numbers, cells and cells/s). Action: two pushes in [-1, 1], clipped.

    `maze` is a name in `MAZES` or a drawing of one's own. `reward` is `sparse` (1 on reaching the goal, else 0) or
    `dense` (that, plus the decrease of the straight distance to the goal). Coming within `reach` of the goal
    terminates; truncated at `horizon`. `extra["success"]` says whether the goal was reached.
    A task may be a dict of `goal`, `start` (x, y, velocities; a start that touches a wall moves to the middle of the
    nearest open cell) and changed constants; what it does not say is drawn: start and goal in two different cells,
    off their middles by up to `jitter`.
    """

    observation_names: ClassVar[tuple[str, ...]] = POINT_MAZE

    maze: str = "umaze"
    reward: str = "sparse"
    horizon: int = 200
    power: float = 4.5
    drag: float = 1.5
    interval: float = 0.1
    radius: float = 0.1
    reach: float = 0.3
    jitter: float = 0.25

    def __post_init__(self):
        check_reward(self.reward)
        if isinstance(self.radius, float | int) and isinstance(self.jitter, float | int):
            if not (0 < self.radius < 0.45 and 0 <= self.jitter < 0.5 - self.radius - SKIN):
                raise SettingError(
                    f"radius={self.radius}, jitter={self.jitter}; expected a radius in (0, 0.45) and a jitter "
                    f"in [0, 0.5 - radius), so that a body begins within its cell."
                )
        self.rows  # noqa: B018  a maze that cannot be read is refused here, not in a trace

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """The drawing, a string a row."""
        drawn = MAZES.get(self.maze, self.maze)
        if "#" not in drawn:
            raise unknown("maze", self.maze, MAZES)
        rows = tuple(row.strip() for row in drawn.split("\n") if row.strip())
        _check_drawing(rows)
        return rows

    @property
    def walls(self) -> Bool[np.ndarray, "height width"]:
        """True where a cell is wall."""
        return np.array([[cell == "#" for cell in row] for row in self.rows])

    @property
    def spec(self) -> Spec:
        height, width = self.walls.shape
        fastest = self.power / self.drag
        low, high = (0.0, 0.0, -fastest, -fastest, 0.0, 0.0), (width, height, fastest, fastest, width, height)
        return Spec(Box((6,), low, tuple(float(x) for x in high)), Box((2,), -1.0, 1.0))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PointState, Float[Array, "6"]]:
        given = dict(task) if isinstance(task, dict) else {}
        goal = given.pop("goal", None)
        start, constants = start_and_constants(self, given if isinstance(task, dict) else task)
        drawn_start, drawn_goal = self._draw(key)
        body = (
            jnp.concatenate([drawn_start, jnp.zeros(2)]) if start is None else self._into_the_open(jnp.asarray(start))
        )
        state = self.state_of(body, drawn_goal if goal is None else goal)
        state = replace(state, constants={name: jnp.asarray(value, jnp.float32) for name, value in constants.items()})
        return state, _observe(state)

    def step(self, state: PointState, action: Float[Array, "2"], key: PRNGKeyArray) -> tuple[PointState, Outcome]:
        del key  # the physics draws nothing
        here = replace(self, **state.constants)
        before = _distance(state)
        x, y, *_ = state.body
        push = here.power * jnp.clip(action, -1, 1)
        velocity = state.body[2:] + here.interval * (push - here.drag * state.body[2:])
        shift = jnp.clip(here.interval * velocity, -0.9, 0.9)
        x, free_x = here._slide(self.walls, x, y, shift[0])
        y, free_y = here._slide(self.walls.T, y, x, shift[1])
        body = jnp.stack([x, y, jnp.where(free_x, velocity[0], 0), jnp.where(free_y, velocity[1], 0)])
        after = PointState(body, state.goal, state.time + 1, state.constants)
        reached = _distance(after) <= here.reach
        reward = reached.astype(jnp.float32)
        if self.reward == "dense":
            reward = reward + before - _distance(after)
        return after, outcome(_observe(after), reward, reached, after.time, self.horizon, success=reached)

    def reached(self, position: Float[Array, "*batch 2"], goal: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        """Whether a position counts as this goal reached; for relabelling episodes with other goals."""
        return jnp.linalg.norm(position - goal, axis=-1) <= self.reach

    def state_of(self, body: Any, goal: Any, time: int = 0) -> PointState:
        """The state with this position and velocity (four numbers) and this goal (two)."""
        body, goal = jnp.asarray(body, jnp.float32), jnp.asarray(goal, jnp.float32)
        return PointState(body, goal, jnp.asarray(time, jnp.int32), {})

    def cells(self, kind: str) -> Int[np.ndarray, "n 2"]:
        """Cells (x, y) that hold this letter; for `S` or `G` that no cell holds, the open cells without a letter."""
        rows = np.array([list(row) for row in self.rows])
        found = np.argwhere(rows == kind) if (rows == kind).any() else np.argwhere(np.isin(rows, [".", " "]))
        return found[:, ::-1].astype(np.int32)

    def _draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
        """A start and a goal, in two different cells, from one draw of five numbers."""
        starts, goals = self.cells("S"), self.cells("G")
        draw = jax.random.uniform(key, (6,))
        first = (draw[0] * len(starts)).astype(int)
        if np.array_equal(starts, goals):  # the same list: count on from the start by 1 to n - 1 cells
            second = (first + 1 + (draw[1] * (len(goals) - 1)).astype(int)) % len(goals)
        else:
            second = (draw[1] * len(goals)).astype(int)
        off = (2 * draw[2:] - 1) * self.jitter
        return jnp.array(starts)[first] + 0.5 + off[:2], jnp.array(goals)[second] + 0.5 + off[2:]

    def _into_the_open(self, body: Float[Array, "4"]) -> Float[Array, "4"]:
        walls = jnp.array(self.walls)
        r = self.radius + SKIN
        corners = body[:2] + r * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
        cell = jnp.floor(corners).astype(int)
        inside = (cell >= 0).all() & (cell < jnp.array(walls.shape[::-1])).all()
        stuck = ~inside | walls[cell[:, 1], cell[:, 0]].any()
        middles = jnp.argwhere(~self.walls, size=int((~self.walls).sum()))[:, ::-1] + 0.5
        nearest = middles[jnp.argmin(jnp.sum((middles - body[:2]) ** 2, axis=1))]
        return jnp.where(stuck, jnp.concatenate([nearest, jnp.zeros(2)]), body)

    def _slide(self, walls: np.ndarray, along: Array, across: Array, shift: Array) -> tuple[Array, Bool[Array, ""]]:
        """Move by `shift` along the second axis of `walls`: the new coordinate, and whether the way was free."""
        side = jnp.where(shift < 0, -1.0, 1.0)
        edge = self.radius + SKIN
        column = jnp.floor(along + shift + side * edge).astype(int)
        rows = jnp.floor(jnp.stack([across - self.radius, across + self.radius])).astype(int)
        blocked = jnp.array(walls)[rows, column].any()
        face = jnp.where(side > 0, column, column + 1)
        return jnp.where(blocked, face - side * edge, along + shift), ~blocked

    def render(self, state: PointState) -> drawing.Image:
        """The maze from above; 48 pixels a cell."""
        scale = 48
        height, width = self.walls.shape
        image = drawing.blank(height * scale, width * scale)
        for row, column in np.argwhere(self.walls):
            image[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale] = drawing.INK
        body, goal = np.asarray(state.body, np.float64), np.asarray(state.goal, np.float64)
        drawing.disc(image, goal * scale, self.reach * scale, drawing.MIST)
        drawing.disc(image, goal * scale, 5, drawing.MOSS)
        drawing.capsule(image, body[:2] * scale, (body[:2] + 0.15 * body[2:]) * scale, 1.5, drawing.SEA)
        r = self.radius
        left, top, right, bottom = scale * np.concatenate([body[:2] - r, body[:2] + r])
        drawing.box(image, left, top, right, bottom, drawing.BRASS)
        return image


def _observe(state: PointState) -> Float[Array, "6"]:
    return jnp.concatenate([state.body, state.goal])


def _distance(state: PointState) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum((state.body[:2] - state.goal) ** 2))


def _check_drawing(rows: tuple[str, ...]) -> None:
    shown = "/".join(rows)
    if len({len(row) for row in rows}) != 1:
        raise SettingError(f"The rows of maze {shown} differ in length; draw a rectangle.")
    strange = sorted({cell for row in rows for cell in row} - set("#.SG"))
    if strange:
        raise SettingError(f"Maze {shown} holds {', '.join(map(repr, strange))}; expected '#', '.', 'S' and 'G'.")
    if set(rows[0] + rows[-1]) | {row[0] for row in rows} | {row[-1] for row in rows} != {"#"}:
        raise SettingError(f"Maze {shown} is open at its border; close it with '#'.")
    cells = "".join(rows)
    if len(cells) - cells.count("#") < 2 or (cells.count(".") == 0 and not ("S" in cells and "G" in cells)):
        raise SettingError(f"Maze {shown} has no room for a start and a goal; leave at least two open cells.")
