"""Flow policies: actions drawn by following a learned velocity from noise, led by a label where there is one."""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import MLP

UNLABELLED = 0
"""The label of rows of which nothing is said."""


@runtime_checkable
class Flow(Protocol):
    """Anything that moves actions of this shape: a velocity at a point, a time and a label."""

    shape: tuple[int, ...]

    def velocity(self, obs: PyTree, point: Array, time: Array, label: Array | int) -> Array: ...


class FlowActor(eqx.Module):
    """The velocity at which an action in the making moves from noise (time 0) to an action in [-1, 1] (time 1).

    It depends on the observation, on the time, and on one of `labels` labels, of which 0 says nothing.

    **Source:** Lipman et al. (flow matching), arXiv:2210.02747, on straight lines; labels as in Ho and Salimans
    (classifier-free guidance), arXiv:2207.12598.
    """

    encoder: Encoder
    net: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    labels: int = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 256, depth: int = 2, labels: int = 1, *, key: PRNGKeyArray):
        encoder_key, net_key = jax.random.split(key)
        space = bounded_box(spec, "A flow actor")
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.net = MLP(self.encoder.size + space.size + 1 + labels, space.size, width, depth, key=net_key)
        self.shape, self.labels = space.shape, labels

    def velocity(
        self, obs: PyTree, point: Float[Array, "*action"], time: Float[Array, ""], label: Int[Array, ""] | int
    ) -> Float[Array, "*action"]:
        """Where to, from `point` at `time` in [0, 1]."""
        features = (self.encoder(obs), point.reshape(-1), time[None], jax.nn.one_hot(label, self.labels))
        return self.net(jnp.concatenate(features)).reshape(self.shape)


class Guided(eqx.Module):
    """A flow policy that is led: draws by $v_0 + w (v_{label} - v_0)$, where $v_0$ is the velocity without a label.

    With $w$ = 1 it draws as the labelled rows did, with 0 as all rows; beyond 1 it is led past them. `steps` of Euler,
    and the end is kept within [-1, 1].

    **Source:** Ho and Salimans, arXiv:2207.12598, equation 6, for velocities.
    """

    actor: Flow
    weight: Float[Array, ""] | float
    label: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    def sample(self, obs: PyTree, key: PRNGKeyArray) -> Float[Array, "*action"]:
        """One action for one observation."""

        def onward(point: Array, time: Array) -> tuple[Array, None]:
            plain = self.actor.velocity(obs, point, time, UNLABELLED)
            led = self.actor.velocity(obs, point, time, self.label)
            return point + (plain + self.weight * (led - plain)) / self.steps, None

        start = jax.random.normal(key, self.actor.shape)
        times = jnp.asarray(np.arange(self.steps) / self.steps, jnp.float32)
        return jnp.clip(jax.lax.scan(onward, start, times)[0], -1.0, 1.0)


def flow_actor(spec: Spec, width: int = 256, depth: int = 2, labels: int = 1) -> Initialise:
    """A flow policy for bounded Box actions."""
    bounded_box(spec, "A flow actor")
    return lambda key: FlowActor(spec, width, depth, labels, key=key)
