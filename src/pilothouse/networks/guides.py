"""Guides: small networks whose output is another network's loss, or a weight in it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.mlp import MLP


class ImitationGuide(eqx.Module):
    """An action, the observation it answers and the action shown there -> a loss of at least 0."""

    encoder: Encoder
    net: MLP

    def __call__(
        self, action: Float[Array, "*action"], obs: PyTree, shown: Float[Array, "*action"]
    ) -> Float[Array, ""]:
        features = jnp.concatenate([action.reshape(-1), self.encoder(obs), shown.reshape(-1)])
        return jax.nn.softplus(self.net(features)[0])


def imitation_guide(spec: Spec, width: int = 256, depth: int = 2) -> Initialise:
    """Initialises an `ImitationGuide` for Box actions."""

    def make(key: PRNGKeyArray) -> ImitationGuide:
        encoder_key, net_key = jax.random.split(key)
        encoder = Encoder(spec.obs, key=encoder_key)
        return ImitationGuide(encoder, MLP(encoder.size + 2 * spec.action.size, 1, width, depth, key=net_key))

    return make


class ConstraintGuide(eqx.Module):
    """A row's loss of improvement and loss of constraint -> the weight of the constraint there, in (0, 2)."""

    net: MLP

    def __call__(self, improvement: Float[Array, ""], constraint: Float[Array, ""]) -> Float[Array, ""]:
        return 2 * jax.nn.sigmoid(self.net(jnp.stack([improvement, constraint]))[0])


def constraint_guide(width: int = 64, depth: int = 2) -> Initialise:
    """Initialises a `ConstraintGuide`."""
    return lambda key: ConstraintGuide(MLP(2, 1, width, depth, key=key))
