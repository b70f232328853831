"""Pendulum: swing a rod up with too little torque, and hold it there.

Dynamics: a rod of mass m and length l turning about its end, angle 0 upright,
angular acceleration 3 g sin(angle) / (2 l) + 3 torque / (m l^2), semi-implicit Euler; constants, clips and reward of
Gymnasium's `Pendulum-v1`, which this world equals step by step.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.spaces import Box, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.observed import PENDULUM
from pilothouse.worlds.timed import Timed, check_reward, outcome, start_and_constants
from pilothouse.worlds.world import Outcome, Task

UPRIGHT = 0.2
"""Radians from upright within which the sparse reward is paid."""


@jax.tree_util.register_static
@dataclass(frozen=True)
class Pendulum:
    """Observation: cosine and sine of the angle, angular velocity (rad/s). Action: one torque (N m), clipped.

    Reward -(angle^2 + 0.1 velocity^2 + 0.001 torque^2), angle in [-pi, pi), judged before the step. Never terminates;
    truncated at `horizon`. A task may be a dict of constants and `start`, the angle and angular velocity.
    With `reward="sparse"` a step pays 1 where it ends nearly upright (within `UPRIGHT` radians) and slowly (below 1 rad/s),
    else 0.
    """

    observation_names: ClassVar[tuple[str, ...]] = PENDULUM

    gravity: float = 10.0
    mass: float = 1.0
    length: float = 1.0
    interval: float = 0.05
    fastest: float = 8.0
    strongest: float = 2.0
    horizon: int = 200
    reward: str = "dense"

    def __post_init__(self):
        check_reward(self.reward)

    @property
    def spec(self) -> Spec:
        high = (1.0, 1.0, self.fastest)
        return Spec(Box((3,), tuple(-x for x in high), high), Box((1,), -self.strongest, self.strongest))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, "3"]]:
        start, constants = start_and_constants(self, task)
        widest = np.array([np.pi, 1.0], np.float32)
        body = jax.random.uniform(key, (2,), minval=-widest, maxval=widest) if start is None else start
        state = Timed.at(body, 0, constants)
        return state, _observe(state.body)

    def step(self, state: Timed, action: Float[Array, "1"], key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        del key  # the physics draws nothing
        here = replace(self, **state.constants)
        angle, spin = state.body
        torque = jnp.clip(action[0], -here.strongest, here.strongest)
        turned = (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
        cost = turned**2 + 0.1 * spin**2 + 0.001 * torque**2
        fall = 3 * here.gravity / (2 * here.length) * jnp.sin(angle)
        spin = spin + (fall + 3 / (here.mass * here.length**2) * torque) * here.interval
        spin = jnp.clip(spin, -here.fastest, here.fastest)
        body, time = jnp.stack([angle + spin * here.interval, spin]), state.time + 1
        reward = -cost
        if self.reward == "sparse":
            reward = jnp.where((jnp.cos(body[0]) > np.cos(UPRIGHT)) & (jnp.abs(spin) < 1.0), 1.0, 0.0)
        return Timed(body, time, state.constants), outcome(_observe(body), reward, False, time, self.horizon)

    def state_of(self, physics: Float[Array, "2"], time: int = 0) -> Timed:
        """The state that Gymnasium's `env.unwrapped.state` describes: angle, angular velocity."""
        return Timed.at(physics, time)

    def render(self, state: Timed) -> drawing.Image:
        """The rod from the side: `(320, 320, 3)`. The pivot turns greener the faster it spins."""
        angle, spin = np.asarray(state.body, np.float64)
        image = drawing.blank(320, 320)
        drawing.disc(image, (160, 160), 132, drawing.MIST)
        drawing.disc(image, (160, 160), 130, drawing.PAPER)
        tip = (160 + 112 * np.sin(angle), 160 - 112 * np.cos(angle))
        drawing.capsule(image, (160, 160), tip, 12, drawing.BRASS)
        share = min(abs(spin) / self.fastest, 1.0)
        mixed = np.round((1 - share) * np.array(drawing.INK) + share * np.array(drawing.MOSS))
        drawing.disc(image, (160, 160), 8, (int(mixed[0]), int(mixed[1]), int(mixed[2])))
        return image


@jax.tree_util.register_static
@dataclass(frozen=True)
class SparsePendulum(Pendulum):
    """The pendulum that pays only for standing upright."""

    reward: str = "sparse"


def _observe(body: Float[Array, "2"]) -> Float[Array, "3"]:
    angle, spin = body
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), spin])
