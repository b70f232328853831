"""Worlds seen as small grey pictures, drawn inside the compiled program: no position or velocity is told.

A scene is a few strokes (thick lines with round ends and smooth edges) over a backdrop. A velocity takes several pictures:
put a `FrameStack` around. Backdrops other than the plain one distract: they have nothing to do with the world.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, UInt8

from pilothouse.core.errors import SettingError, SpaceError, unknown
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, DictSpace, Spec
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.mountain_car_continuous import MountainCarContinuous
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.point_maze import PointMaze
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around, frame_stack

Canvas = Float[Array, "size size"]

BACKDROPS = ("plain", "shade", "waves", "snow")
"""What is behind a scene: nothing (black); one grey, or a pattern of three waves, drawn for each episode; or noise, drawn
for each picture."""


class Stroke(NamedTuple):
    """A thick line with round ends, or a disc where both are the same. x runs right and y down, in sides of the picture."""

    start: Any
    end: Any
    radius: float
    level: float
    """How bright: 0 black, 1 white."""


class Pictured(eqx.Module):
    """The state of the world within, and what is behind the scene in this episode."""

    inner: PyTree
    backdrop: Canvas


class Pictures(_Around, eqx.Module):
    """A JAX world that shows a picture: `(side, side, 1)`, uint8, 0 black to 255 white.

    `backdrop` is one of `BACKDROPS`, with levels from 0 to `strength`; the scene covers it. With `beside`, observations
    are a Dict of the `picture` and the `state` that the world itself shows: for those who teach, or record.
    Worlds that can be drawn: CartPole, Pendulum, MountainCarContinuous, PointMaze. Raises `SpaceError` for another,
    `UnknownNameError` for an unknown backdrop, `SettingError` for a side below 8 or a strength outside [0, 1].
    """

    world: World
    side: int = eqx.field(static=True, default=16)
    backdrop: str = eqx.field(static=True, default="plain")
    strength: float = eqx.field(static=True, default=0.5)
    beside: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        _scene_of(self.world)
        if self.backdrop not in BACKDROPS:
            raise unknown("backdrop", self.backdrop, BACKDROPS)
        if self.side < 8 or not 0 <= self.strength <= 1:
            raise SettingError(
                f"side={self.side}, strength={self.strength}; expected at least 8 pixels, and a share of 1."
            )

    @property
    def spec(self) -> Spec:
        picture = Box((self.side, self.side, 1), 0, 255, "uint8")
        obs = DictSpace.of({"picture": picture, "state": self.world.spec.obs}) if self.beside else picture
        return replace(self.world.spec, obs=obs)

    @property
    def observation_names(self) -> None:
        """Pixels have no names."""

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Pictured, PyTree]:
        inner, obs = self.world.reset(task, key)
        state = Pictured(inner, self._behind(named(key, "backdrop")))
        return state, self._shown(state, obs, key)

    def step(self, state: Pictured, action: PyTree, key: PRNGKeyArray) -> tuple[Pictured, Outcome]:
        inner, outcome = self.world.step(state.inner, action, key)
        state = Pictured(inner, state.backdrop)
        return state, replace(outcome, next_obs=self._shown(state, outcome.next_obs, key))

    def render(self, state: Pictured) -> np.ndarray:
        """The world's own rendering, without what distracts."""
        return self.world.render(state.inner)  # pyright: ignore[reportAttributeAccessIssue]

    def _behind(self, key: PRNGKeyArray) -> Canvas:
        if self.backdrop == "shade":
            return jnp.broadcast_to(self.strength * jax.random.uniform(key), (self.side, self.side))
        if self.backdrop == "waves":
            return self.strength * waves(self.side, key)
        return jnp.zeros((self.side, self.side))

    def _shown(self, state: Pictured, obs: PyTree, key: PRNGKeyArray) -> PyTree:
        canvas = state.backdrop
        if self.backdrop == "snow":
            canvas = self.strength * jax.random.uniform(named(key, "snow"), canvas.shape)
        picture = in_bytes(_scene_of(self.world)(self.world, state.inner, canvas))[..., None]
        return {"picture": picture, "state": obs} if self.beside else picture


def in_bytes(canvas: Canvas) -> UInt8[Array, "size size"]:
    """Levels from 0 to 1 as bytes from 0 to 255."""
    return jnp.round(255 * canvas).astype(jnp.uint8)


def painted(canvas: Canvas, *strokes: Stroke) -> Canvas:
    """The strokes over one another and over the canvas, in this order; half a pixel either side of an edge is mixed.

    The pixel in row i and column j is judged at its middle, (j + 1/2, i + 1/2). `worlds.drawing.capsule` does the same
    with colours, on the host.
    """
    size = canvas.shape[0]
    middles = np.arange(size, dtype=np.float32) + 0.5
    x, y = jnp.asarray(middles[None, :]), jnp.asarray(middles[:, None])
    for stroke in strokes:
        a, b = size * jnp.asarray(stroke.start, jnp.float32), size * jnp.asarray(stroke.end, jnp.float32)
        along = b - a
        share = ((x - a[0]) * along[0] + (y - a[1]) * along[1]) / jnp.maximum(along @ along, 1e-12)
        share = jnp.clip(share, 0, 1)
        away = jnp.hypot(x - a[0] - share * along[0], y - a[1] - share * along[1])
        cover = jnp.clip(size * stroke.radius - away + 0.5, 0, 1)
        canvas = canvas * (1 - cover) + stroke.level * cover
    return canvas


def tiled(canvas: Canvas, cells: np.ndarray, level: float) -> Canvas:
    """A grid of square cells over the canvas, painted where `cells` is true; each pixel by the share of it that is.

    The grid's longer side is the picture's; the shorter one is filled up at the right, or below.
    """
    size, (rows, columns) = canvas.shape[0], cells.shape
    edges = np.arange(max(rows, columns) + 1) * size / max(rows, columns)
    pixels = np.arange(size)[:, None]
    overlap = np.clip(np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels), 0, 1)
    cover = jnp.asarray(overlap[:, :rows] @ cells @ overlap[:, :columns].T, jnp.float32)
    return canvas * (1 - cover) + level * cover


def waves(size: int, key: PRNGKeyArray) -> Canvas:
    """The mean of three plane waves of random direction, phase and length (a third of a side to all of it), in [0, 1]."""
    direction, phase, length = jax.random.uniform(key, (3, 3))
    places = jnp.asarray((np.arange(size) + 0.5) / size, jnp.float32)
    turn = 2 * jnp.pi / (1 / 3 + 2 / 3 * length)
    x = turn * jnp.cos(2 * jnp.pi * direction)
    y = turn * jnp.sin(2 * jnp.pi * direction)
    each = jnp.sin(places[None, :, None] * x + places[:, None, None] * y + 2 * jnp.pi * phase)
    return 0.5 + 0.5 * each.mean(axis=-1)


Scene = Callable[[Any, Any, Canvas], Canvas]
"""`scene(world, state, canvas)`: the canvas with the world painted on it."""


def _pendulum(world: Pendulum, state: Any, canvas: Canvas) -> Canvas:
    angle = state.body[0]
    tip = jnp.stack([0.5 + 0.38 * jnp.sin(angle), 0.5 - 0.38 * jnp.cos(angle)])
    return painted(canvas, Stroke((0.5, 0.5), tip, 0.08, 1.0))


def _cartpole(world: CartPole, state: Any, canvas: Canvas) -> Canvas:
    place, _, angle, _ = state.body
    middle, ground = 0.5 + place / (2.4 * world.furthest), 0.8
    reach = 1.2 * state.constants.get("half_length", world.half_length)
    cart = Stroke(jnp.stack([middle - 0.1, ground]), jnp.stack([middle + 0.1, ground]), 0.06, 0.6)
    tip = jnp.stack([middle + reach * jnp.sin(angle), ground - reach * jnp.cos(angle)])
    return painted(canvas, cart, Stroke(jnp.stack([middle, jnp.asarray(ground)]), tip, 0.05, 1.0))


def _mountain_car(world: MountainCarContinuous, state: Any, canvas: Canvas) -> Canvas:
    def at(x: Any) -> Any:
        across = (x - world.leftmost) / (world.rightmost - world.leftmost)
        return jnp.stack([jnp.asarray(across, jnp.float32), 0.55 - 0.3 * jnp.sin(3 * jnp.asarray(x))])

    places = np.linspace(world.leftmost, world.rightmost, 9)
    road = [Stroke(at(a), at(b), 0.03, 0.3) for a, b in zip(places[:-1], places[1:], strict=True)]
    flag = Stroke(at(world.flag), at(world.flag) - jnp.array([0.0, 0.15]), 0.03, 0.6)
    car = at(state.body[0]) - jnp.array([0.0, 0.08])
    return painted(canvas, *road, flag, Stroke(car, car, 0.08, 1.0))


def _point_maze(world: PointMaze, state: Any, canvas: Canvas) -> Canvas:
    cell = 1 / max(world.walls.shape)
    goal, body = cell * state.goal, cell * state.body[:2]
    return painted(
        tiled(canvas, world.walls, 0.3), Stroke(goal, goal, 0.35 * cell, 0.6), Stroke(body, body, 0.3 * cell, 1.0)
    )


_SCENES: dict[type, Scene] = {
    Pendulum: _pendulum,
    CartPole: _cartpole,
    MountainCarContinuous: _mountain_car,
    PointMaze: _point_maze,
}


def _scene_of(world: Any) -> Scene:
    for kind, scene in _SCENES.items():
        if isinstance(world, kind):
            return scene
    drawn = ", ".join(kind.__name__ for kind in _SCENES)
    raise SpaceError(f"{type(world).__name__} has no scene to be drawn; worlds seen as pictures are {drawn}.")


def pendulum(
    side: int = 16, frames: int = 3, backdrop: str = "plain", strength: float = 0.5, horizon: int = 200
) -> Any:
    """The pendulum, by its last few pictures."""
    return frame_stack(Pictures(Pendulum(horizon=horizon), side, backdrop, strength), frames)


def cartpole(
    side: int = 16, frames: int = 3, backdrop: str = "plain", strength: float = 0.5, horizon: int = 500
) -> Any:
    """CartPole, by its last few pictures."""
    return frame_stack(Pictures(CartPole(horizon=horizon), side, backdrop, strength), frames)


def mountain_car(
    side: int = 16, frames: int = 3, backdrop: str = "plain", strength: float = 0.5, horizon: int = 999
) -> Any:
    """MountainCarContinuous, by its last few pictures."""
    return frame_stack(Pictures(MountainCarContinuous(horizon=horizon), side, backdrop, strength), frames)


def point_maze(
    side: int = 16,
    frames: int = 3,
    backdrop: str = "plain",
    strength: float = 0.5,
    maze: str = "umaze",
    reward: str = "sparse",
    horizon: int = 200,
) -> Any:
    """PointMaze, by its last few pictures."""
    place = PointMaze(maze=maze, reward=reward, horizon=horizon)
    return frame_stack(Pictures(place, side, backdrop, strength), frames)
