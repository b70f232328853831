"""MountainCarContinuous: an engine too weak for the hill; swing back and forth to reach the flag.

Dynamics: Moore (1990), "Efficient memory-based learning for robot control"; constants, clips and reward of Gymnasium's
`MountainCarContinuous-v0`, which this world equals step by step.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.spaces import Box, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.observed import MOUNTAIN_CAR
from pilothouse.worlds.timed import Timed, check_reward, outcome, start_and_constants
from pilothouse.worlds.world import Outcome, Task


@jax.tree_util.register_static
@dataclass(frozen=True)
class MountainCarContinuous:
    """Observation: position, velocity (per step). Action: one force in [-1, 1], clipped for the motion only.

    Reward -0.1 action^2, and 100 on the step that reaches `flag` at `flag_speed` or faster, which terminates;
    truncated at `horizon`. A task may be a dict of constants and `start`: position and velocity.
    With `reward="sparse"` the step that reaches the flag pays 1 and every other 0, whatever the action.
    """

    observation_names: ClassVar[tuple[str, ...]] = MOUNTAIN_CAR

    power: float = 0.0015
    slope: float = 0.0025
    leftmost: float = -1.2
    rightmost: float = 0.6
    fastest: float = 0.07
    flag: float = 0.45
    flag_speed: float = 0.0
    horizon: int = 999
    reward: str = "dense"

    def __post_init__(self):
        check_reward(self.reward)

    @property
    def spec(self) -> Spec:
        obs = Box((2,), (self.leftmost, -self.fastest), (self.rightmost, self.fastest))
        return Spec(obs, Box((1,), -1.0, 1.0))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, "2"]]:
        start, constants = start_and_constants(self, task)
        if start is None:
            start = jnp.stack([jax.random.uniform(key, (), minval=-0.6, maxval=-0.4), jnp.zeros(())])
        state = Timed.at(start, 0, constants)
        return state, state.body

    def step(self, state: Timed, action: Float[Array, "1"], key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        del key  # the physics draws nothing
        here = replace(self, **state.constants)
        x, v = state.body
        v = v + jnp.clip(action[0], -1, 1) * here.power - here.slope * jnp.cos(3 * x)
        v = jnp.clip(v, -here.fastest, here.fastest)
        x = jnp.clip(x + v, here.leftmost, here.rightmost)
        v = jnp.where((x == here.leftmost) & (v < 0), 0.0, v)
        terminated = (x >= here.flag) & (v >= here.flag_speed)
        reward = jnp.where(terminated, 100.0, 0.0) - 0.1 * action[0] ** 2
        if self.reward == "sparse":
            reward = terminated.astype(jnp.float32)
        body, time = jnp.stack([x, v]), state.time + 1
        return Timed(body, time, state.constants), outcome(body, reward, terminated, time, self.horizon)

    def state_of(self, physics: Float[Array, "2"], time: int = 0) -> Timed:
        """The state that Gymnasium's `env.unwrapped.state` describes: position, velocity."""
        return Timed.at(physics, time)

    def render(self, state: Timed) -> drawing.Image:
        """The car in its valley: `(320, 480, 3)`."""
        image = drawing.blank(320, 480)
        xs = np.linspace(self.leftmost, self.rightmost, 97)
        road = np.stack([self._across(xs), self._height(xs)], axis=1)
        for a, b in zip(road[:-1], road[1:], strict=True):
            drawing.polygon(image, [a, b, (b[0], 320), (a[0], 320)], drawing.MIST)
            drawing.capsule(image, a, b, 1.5, drawing.INK)
        foot = np.array([self._across(self.flag), self._height(self.flag)])
        drawing.capsule(image, foot, foot - (0, 40), 1.5, drawing.INK)
        drawing.polygon(image, [foot - (0, 40), foot + (22, -32), foot - (0, 24)], drawing.RUST)
        x = float(np.asarray(state.body)[0])
        middle = np.array([self._across(x), self._height(x)])
        tilt = np.arctan(3 * 0.45 * np.cos(3 * x) * (self.rightmost - self.leftmost) / 480 * 200)
        ahead, up = np.array([np.cos(tilt), -np.sin(tilt)]), np.array([-np.sin(tilt), -np.cos(tilt)])
        drawing.capsule(image, middle - 13 * ahead + 14 * up, middle + 13 * ahead + 14 * up, 8, drawing.SEA)
        for side in (-1, 1):
            drawing.disc(image, middle + side * 12 * ahead + 6 * up, 6, drawing.INK)
        return image

    def _across(self, x):
        return (x - self.leftmost) / (self.rightmost - self.leftmost) * 480

    def _height(self, x):
        return 290 - 200 * (np.sin(3 * x) * 0.45 + 0.55)


@jax.tree_util.register_static
@dataclass(frozen=True)
class SparseMountainCar(MountainCarContinuous):
    """The car that is paid for reaching the flag, and for nothing else."""

    reward: str = "sparse"
