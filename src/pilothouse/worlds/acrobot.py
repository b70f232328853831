"""Acrobot: swing the free end of two hanging links above a line, with torque at the joint between them only.

Dynamics: Sutton (1996), "Generalization in reinforcement learning: successful examples using sparse coarse coding",
in the form of Sutton and Barto's book, one fourth-order Runge-Kutta step; constants, clips and reward of Gymnasium's
`Acrobot-v1`, which this world equals step by step.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.observed import ACROBOT
from pilothouse.worlds.timed import Timed, outcome, start_and_constants
from pilothouse.worlds.world import Outcome, Task

FASTEST = (4 * np.pi, 9 * np.pi)
"""Highest angular velocity of each link, rad/s."""


@jax.tree_util.register_static
@dataclass(frozen=True)
class Acrobot:
    """Observation: cosine and sine of both angles, both angular velocities (rad/s). Action: torque -1, 0, 1 by 0, 1, 2.

    Angle 1 is 0 hanging down, angle 2 is relative to link 1. Reward -1 a step, 0 on the step that terminates, which
    is when -cos(angle 1) - cos(angle 1 + angle 2) > 1; truncated at `horizon`. A task may be a dict of constants and
    `start`: both angles and both velocities.
    """

    observation_names: ClassVar[tuple[str, ...]] = ACROBOT

    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    centre_1: float = 0.5
    centre_2: float = 0.5
    inertia: float = 1.0
    torque: float = 1.0
    interval: float = 0.2
    horizon: int = 500

    @property
    def spec(self) -> Spec:
        high = (1.0, 1.0, 1.0, 1.0, *FASTEST)
        return Spec(Box((6,), tuple(-x for x in high), high), Discrete(3))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, "6"]]:
        start, constants = start_and_constants(self, task)
        body = jax.random.uniform(key, (4,), minval=-0.1, maxval=0.1) if start is None else start
        state = Timed.at(body, 0, constants)
        return state, _observe(state.body)

    def step(self, state: Timed, action: Array, key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        del key  # the physics draws nothing
        here = replace(self, **state.constants)
        torque = here.torque * (action - 1)
        dt, y = here.interval, state.body
        k1 = here._rate(y, torque)
        k2 = here._rate(y + dt / 2 * k1, torque)
        k3 = here._rate(y + dt / 2 * k2, torque)
        k4 = here._rate(y + dt * k3, torque)
        body, time = _within_limits(y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)), state.time + 1
        terminated = -jnp.cos(body[0]) - jnp.cos(body[0] + body[1]) > 1
        reward = jnp.where(terminated, 0.0, -1.0)
        return Timed(body, time, state.constants), outcome(_observe(body), reward, terminated, time, self.horizon)

    def _rate(self, body: Float[Array, "4"], torque: Array) -> Float[Array, "4"]:
        """Velocities and accelerations. `reach` and `coupled` are the entries of the mass matrix in joint angles."""
        angle_1, angle_2, spin_1, spin_2 = body
        bend = self.mass_2 * self.length_1 * self.centre_2
        outer = self.mass_2 * self.centre_2**2 + self.inertia
        cos_2, sin_2 = jnp.cos(angle_2), jnp.sin(angle_2)
        coupled = outer + bend * cos_2
        inner = self.mass_1 * self.centre_1**2 + self.inertia + self.mass_2 * self.length_1**2
        reach = inner + outer + 2 * bend * cos_2
        weight_2 = self.mass_2 * self.centre_2 * self.gravity * jnp.sin(angle_1 + angle_2)
        hang = (self.mass_1 * self.centre_1 + self.mass_2 * self.length_1) * self.gravity * jnp.sin(angle_1)
        load_1 = hang + weight_2 - bend * sin_2 * spin_2 * (spin_2 + 2 * spin_1)
        load_2 = weight_2 + bend * sin_2 * spin_1**2
        gain_2 = (torque + coupled / reach * load_1 - load_2) / (outer - coupled**2 / reach)
        gain_1 = -(coupled * gain_2 + load_1) / reach
        return jnp.stack([spin_1, spin_2, gain_1, gain_2])

    def state_of(self, physics: Float[Array, "4"], time: int = 0) -> Timed:
        """The state that Gymnasium's `env.unwrapped.state` describes: two angles, two angular velocities."""
        return Timed.at(physics, time)

    def render(self, state: Timed) -> drawing.Image:
        """Both links and the line to reach: `(320, 320, 3)`."""
        first, second = np.asarray(state.body, np.float64)[:2]
        image = drawing.blank(320, 320)
        scale = 66.0
        drawing.box(image, 0, 160 - scale - 1, 320, 160 - scale + 1, drawing.MOSS)
        elbow = np.array([160 + scale * np.sin(first), 160 + scale * np.cos(first)])
        tip = elbow + scale * np.array([np.sin(first + second), np.cos(first + second)])
        drawing.capsule(image, (160, 160), elbow, 8, drawing.SEA)
        drawing.capsule(image, elbow, tip, 8, drawing.BRASS)
        for joint in ((160.0, 160.0), elbow):
            drawing.disc(image, joint, 5, drawing.INK)
        return image


def _within_limits(body: Float[Array, "4"]) -> Float[Array, "4"]:
    """Angles turned back into [-pi, pi), velocities clipped."""
    angles = (body[:2] + jnp.pi) % (2 * jnp.pi) - jnp.pi
    fastest = np.array(FASTEST, np.float32)
    return jnp.concatenate([angles, jnp.clip(body[2:], -fastest, fastest)])


def _observe(body: Float[Array, "4"]) -> Float[Array, "6"]:
    first, second, spin_1, spin_2 = body
    return jnp.stack([jnp.cos(first), jnp.sin(first), jnp.cos(second), jnp.sin(second), spin_1, spin_2])
