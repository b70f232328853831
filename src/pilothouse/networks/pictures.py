"""Networks that look at pictures first: a convolutional net of chosen size, and a head that reads what it says.

`guided` makes a network whose gradients say what speaks for its output.
"""

import copy
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Space, Spec
from pilothouse.networks.encoders import ConvolutionalNet
from pilothouse.networks.mlp import MLP


class Through(eqx.Module):
    """What `head` makes of the features that `encoder` finds in an observation."""

    encoder: Callable[[Array], Float[Array, " features"]]
    head: Callable[[Float[Array, " features"]], Any]

    def __call__(self, obs: Array) -> Any:
        return self.head(self.encoder(obs))


def picture_encoder(spec: Spec, channels: int = 32, features: int = 128) -> Initialise:
    """Pixels to `features` numbers: 3x3 convolutions, the first to `channels`, the others to twice as many.

    Raises `SpaceError` for observations that are not one picture.
    """
    space = picture_of(spec.obs)
    layers = (channels, *[2 * channels] * 4)
    return lambda key: ConvolutionalNet(space.shape, features, layers, key=key)


def picture_values(spec: Spec, channels: int = 32, features: int = 128, width: int = 256, depth: int = 2) -> Initialise:
    """Values of all Discrete actions of what a picture shows: `Through(encoder, perceptron)`, `pixels -> (n,)`."""
    encoder, action = picture_encoder(spec, channels, features), spec.action
    if not isinstance(action, Discrete):
        raise SpaceError(f"One value per action takes Discrete actions, and this source has {action.kind} ones.")

    def make(key: PRNGKeyArray) -> Through:
        first, second = jax.random.split(key)
        return Through(encoder(first), MLP(features, action.n, width, depth, key=second))

    return make


def picture_of(space: Space) -> Box:
    """The space, if it is one picture. Raises `SpaceError` for others."""
    if not isinstance(space, Box) or not space.is_image:
        raise SpaceError(
            f"Observations must be one picture (height, width, channels) of uint8, and these are {space}. Choose a world "
            "seen as pictures, such as point-maze-pictures."
        )
    return space


@jax.custom_vjp
def guided_relu(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """`relu`, through which only positive gradients return, and only where it is open.

    **Source:** Springenberg et al., "Striving for Simplicity", arXiv:1412.6806 (guided backpropagation).
    """
    return jax.nn.relu(x)


def _forward(x: Array) -> tuple[Array, Array]:
    return jax.nn.relu(x), x > 0


def _backward(open_: Array, slope: Array) -> tuple[Array]:
    return (jnp.where(open_, jax.nn.relu(slope), 0.0),)


guided_relu.defvjp(_forward, _backward)


def guided(network: Any) -> Any:
    """The same network, whose perceptrons and convolutional nets with `relu` have `guided_relu` in its place."""

    def own(x: Any) -> bool:
        return isinstance(x, MLP | ConvolutionalNet)

    def changed(x: Any) -> Any:
        if not own(x) or x.activation is not jax.nn.relu:
            return x
        found = copy.copy(x)
        object.__setattr__(found, "activation", guided_relu)  # a module is frozen, and this one is a new one
        return found

    return jax.tree.map(changed, network, is_leaf=own)
