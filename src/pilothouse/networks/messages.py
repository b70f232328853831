"""Voices: from an observation to a message."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.networks.mlp import MLP


class Messenger(eqx.Module):
    r"""An observation to `symbols` numbers within $\pm$`loudness`: tanh of a perceptron with tanh layers, scaled."""

    body: MLP
    loudness: float = eqx.field(static=True)

    def __call__(self, obs: Float[Array, " obs"]) -> Float[Array, " symbols"]:
        return self.loudness * jnp.tanh(self.body(obs))


def messenger(inputs: int, symbols: int, width: int, depth: int, *, loudness: float = 2 * math.pi) -> Initialise:
    """A random one; loudness as in the authors' code of arXiv:2211.11030."""

    def make(key: PRNGKeyArray) -> Messenger:
        return Messenger(MLP(inputs, symbols, width, depth, jax.nn.tanh, key=key), loudness)

    return make
