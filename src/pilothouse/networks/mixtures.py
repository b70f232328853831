"""Behaviour of several kinds: from an observation to a mixture of normals over actions."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import MLP


class Mixture(eqx.Module):
    """Normals with diagonal covariance over one flat action, each with the logarithm of its weight."""

    log_weights: Float[Array, " components"]
    means: Float[Array, "components action"]
    log_stds: Float[Array, "components action"]

    def log_probs(self, action: Float[Array, " action"]) -> Float[Array, " components"]:
        """Natural logarithm of each component's own density at `action`; weights are left out."""
        z = (action - self.means) * jnp.exp(-self.log_stds)
        return (-0.5 * z**2 - self.log_stds - 0.5 * math.log(2 * math.pi)).sum(axis=-1)

    def log_prob(self, action: Float[Array, " action"]) -> Float[Array, ""]:
        """Natural logarithm of the density at `action`."""
        return jax.nn.logsumexp(self.log_weights + self.log_probs(action))


class MixtureActor(eqx.Module):
    """Observation -> `Mixture`. Means are within (-1, 1), log standard deviations within `bounds`."""

    encoder: Encoder
    body: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    components: int = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        components: int,
        width: int = 256,
        depth: int = 2,
        *,
        bounds: tuple[float, float] = (-4.0, 1.0),
        key: PRNGKeyArray,
    ):
        encoder_key, body_key = jax.random.split(key)
        space = bounded_box(spec, "A mixture of normals")
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.body = MLP(self.encoder.size, components * (1 + 2 * space.size), width, depth, key=body_key)
        self.shape, self.components, self.bounds = space.shape, components, bounds

    def __call__(self, obs: PyTree) -> Mixture:
        outputs = self.body(self.encoder(obs)).reshape(self.components, -1)
        means, log_stds = jnp.split(outputs[:, 1:], 2, axis=1)
        return Mixture(jax.nn.log_softmax(outputs[:, 0]), jnp.tanh(means), jnp.clip(log_stds, *self.bounds))


def mixture_actor(spec: Spec, components: int, width: int = 256, depth: int = 2) -> Initialise:
    """A mixture of normals over bounded Box actions."""
    bounded_box(spec, "A mixture of normals")
    return lambda key: MixtureActor(spec, components, width, depth, key=key)
