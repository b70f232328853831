"""How far, and which way, something spreads around zero: a covariance that depends on the observation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import MLP

BOUNDS = (-5.0, 0.0)
"""Logarithms of the factor's diagonal, in unit actions, are kept within these."""


class Spread(eqx.Module):
    """One observation -> a lower triangular factor L of the covariance L L' of a flat action, in unit actions."""

    encoder: Encoder
    net: MLP
    size: int = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 256, depth: int = 2, *, key: PRNGKeyArray):
        encoder_key, net_key = jax.random.split(key)
        self.size = bounded_box(spec, "A covariance of actions").size
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.net = MLP(self.encoder.size, self.size * (self.size + 1) // 2, width, depth, key=net_key)

    def __call__(self, obs: PyTree) -> Float[Array, "action action"]:
        outputs = self.net(self.encoder(obs))
        log_diagonal, below = outputs[: self.size], outputs[self.size :]
        factor = jnp.diag(jnp.exp(jnp.clip(log_diagonal, *BOUNDS)))
        return factor.at[np.tril_indices(self.size, -1)].set(below)


def spread(spec: Spec, width: int = 256, depth: int = 2) -> Initialise:
    """A covariance of actions for each observation: `obs -> (entries, entries)`, its lower triangular factor."""
    bounded_box(spec, "A covariance of actions")
    return lambda key: Spread(spec, width, depth, key=key)
