"""CartPole: keep a pole upright by pushing the cart it stands on left or right.

Dynamics: Barto, Sutton and Anderson (1983), "Neuronlike adaptive elements that can solve difficult learning control
problems", in the corrected form of Florian (2007), "Correct equations for the dynamics of the cart-pole system",
without friction; constants, Euler step and limits of Gymnasium's `CartPole-v1`, which this world equals step by step.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.observed import CARTPOLE
from pilothouse.worlds.timed import Timed, outcome, start_and_constants
from pilothouse.worlds.world import Outcome, Task


@jax.tree_util.register_static
@dataclass(frozen=True)
class CartPole:
    """Observation: position (m), velocity (m/s), angle (rad, 0 upright), its velocity (rad/s). Action: 0 left, 1 right.

    Reward 1 for every step, the last included. Terminates beyond `furthest` or `steepest`; truncated at `horizon`.
    A task may be a dict of constants (any float field) and `start`, the four numbers to begin with.
    """

    observation_names: ClassVar[tuple[str, ...]] = CARTPOLE

    gravity: float = 9.8
    cart_mass: float = 1.0
    pole_mass: float = 0.1
    half_length: float = 0.5
    force: float = 10.0
    interval: float = 0.02
    furthest: float = 2.4
    steepest: float = 12 * 2 * np.pi / 360
    horizon: int = 500

    @property
    def spec(self) -> Spec:
        high = (2 * self.furthest, np.inf, 2 * self.steepest, np.inf)
        return Spec(Box((4,), tuple(-x for x in high), high), Discrete(2))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, "4"]]:
        start, constants = start_and_constants(self, task)
        body = jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05) if start is None else start
        state = Timed.at(body, 0, constants)
        return state, state.body

    def step(self, state: Timed, action: Array, key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        del key  # the physics draws nothing
        here = replace(self, **state.constants)
        body = here._after(state.body, jnp.where(action == 1, here.force, -here.force))
        time = state.time + 1
        terminated = (jnp.abs(body[0]) > here.furthest) | (jnp.abs(body[2]) > here.steepest)
        return Timed(body, time, state.constants), outcome(body, 1.0, terminated, time, self.horizon)

    def _after(self, body: Float[Array, "4"], push: Array) -> Float[Array, "4"]:
        x, v, angle, spin = body
        total = self.cart_mass + self.pole_mass
        moment = self.pole_mass * self.half_length
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        drive = (push + moment * spin**2 * sin) / total
        torsion = (self.gravity * sin - cos * drive) / (self.half_length * (4 / 3 - self.pole_mass * cos**2 / total))
        pull = drive - moment * torsion * cos / total
        rate = jnp.stack([v, pull, spin, torsion])
        return body + self.interval * rate

    def state_of(self, physics: Float[Array, "4"], time: int = 0) -> Timed:
        """The state that Gymnasium's `env.unwrapped.state` describes."""
        return Timed.at(physics, time)

    def render(self, state: Timed) -> drawing.Image:
        """The cart on its rail: `(320, 480, 3)`."""
        x, _, angle, _ = np.asarray(state.body, np.float64)
        image = drawing.blank(320, 480)
        scale, ground = 480 / (2.4 * self.furthest), 240.0
        drawing.box(image, 0, ground - 1, 480, ground + 1, drawing.MIST)
        for limit in (-self.furthest, self.furthest):
            drawing.box(image, 240 + limit * scale - 1, ground - 12, 240 + limit * scale + 1, ground + 12, drawing.RUST)
        middle = 240 + x * scale
        drawing.box(image, middle - 30, ground - 16, middle + 30, ground + 16, drawing.INK)
        reach = 2 * self.half_length * 160
        tip = (middle + reach * np.sin(angle), ground - 16 - reach * np.cos(angle))
        drawing.capsule(image, (middle, ground - 16), tip, 6, drawing.BRASS)
        drawing.disc(image, (middle, ground - 16), 5, drawing.SEA)
        return image
