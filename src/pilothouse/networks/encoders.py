"""From any observation (or action) space to one flat vector of features."""

import math
from collections.abc import Mapping
from functools import reduce
from operator import getitem

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.networks.mlp import Linear

IMAGE_FEATURES = 128


class ConvolutionalNet(eqx.Module):
    """Pixels `(height, width, channels)` in 0..255 to a vector: 3x3 convolutions of stride 2, then a dense layer."""

    kernels: tuple[Float[Array, "3 3 from to"], ...]
    biases: tuple[Float[Array, " to"], ...]
    dense: Linear

    def __init__(self, shape: tuple[int, ...], features: int = IMAGE_FEATURES, *, key: PRNGKeyArray):
        height, width, channels = shape
        kernels, biases = [], []
        *keys, dense_key = jax.random.split(key, 6)
        for k, outputs in zip(keys, (16, 32, 32, 64, 64), strict=True):
            if kernels and max(height, width) <= 6:
                break
            bound = math.sqrt(6 / (9 * channels))
            kernels.append(jax.random.uniform(k, (3, 3, channels, outputs), jnp.float32, -bound, bound))
            biases.append(jnp.zeros(outputs, jnp.float32))
            height, width, channels = -(-height // 2), -(-width // 2), outputs
        self.kernels, self.biases = tuple(kernels), tuple(biases)
        self.dense = Linear(height * width * channels, features, orthogonal=math.sqrt(2), key=dense_key)

    def __call__(self, pixels: Array) -> Float[Array, " features"]:
        x = pixels.astype(jnp.float32)[None] / 255.0
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            layout = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=layout)
            x = jax.nn.relu(x + bias)
        return jax.nn.relu(self.dense(x.reshape(-1)))


class Encoder(eqx.Module):
    """One observation of `space` to a flat float32 vector of `size` entries.

    A flat Box passes through untouched; other boxes are flattened; choices become one-hot; entries of a Dict are
    encoded and joined by name, its `action_mask` left out; `uint8` pictures go through a small convolutional net, the
    only learnt part. Also encodes actions (a Dict of them holds no mask).

    **Raises:** `SpaceError` for Tokens, which only a sequence model reads.
    """

    nets: dict[str, ConvolutionalNet]
    space: Space = eqx.field(static=True)

    def __init__(self, space: Space, *, key: PRNGKeyArray):
        pictures = [(path, inner) for path, inner in _leaves(space) if isinstance(inner, Box) and inner.is_image]
        keys = jax.random.split(key, max(len(pictures), 1))
        self.nets = {
            _joined(path): ConvolutionalNet(inner.shape, key=k)
            for (path, inner), k in zip(pictures, keys, strict=False)
        }
        self.space = space

    @property
    def size(self) -> int:
        """Number of features: a static integer."""
        return sum(IMAGE_FEATURES if _joined(path) in self.nets else space.size for path, space in _leaves(self.space))

    def __call__(self, obs: PyTree) -> Float[Array, " size"]:
        parts = [self._encode(_joined(path), space, reduce(getitem, path, obs)) for path, space in _leaves(self.space)]
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)

    def _encode(self, path: str, space: Box | Discrete | MultiDiscrete, value: Array) -> Float[Array, " features"]:
        if path in self.nets:
            return self.nets[path](value)
        if isinstance(space, Discrete):
            return jax.nn.one_hot(value, space.n, dtype=jnp.float32)
        if isinstance(space, MultiDiscrete):
            choices = [jax.nn.one_hot(value[i], n, dtype=jnp.float32) for i, n in enumerate(space.nvec)]
            return jnp.concatenate(choices)
        flat = jnp.asarray(value, jnp.float32).reshape(-1)
        return flat / 255.0 if space.dtype == "uint8" and float(np.max(space.bounds()[1])) > 1 else flat


def mask_in(obs: PyTree) -> Bool[Array, "*batch actions"] | None:
    """Which discrete actions `obs` allows, or None where it carries no `action_mask`. Leading axes pass through."""
    if isinstance(obs, Mapping) and MASK in obs:
        return jnp.asarray(obs[MASK]) > 0
    return None


def _leaves(space: Space, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Box | Discrete | MultiDiscrete]]:
    """The plain spaces inside, each with the names that lead there; the mask of a Dict is not one of them."""
    if isinstance(space, DictSpace):
        found = []
        for name, inner in space.items:
            if path or name != MASK:
                found += _leaves(inner, (*path, name))
        return found
    if isinstance(space, Box | Discrete | MultiDiscrete):
        return [(path, space)]
    raise SpaceError(
        f"A {space.kind} space cannot be encoded as one vector; expected Box, Discrete, MultiDiscrete or a Dict of "
        "these. Token sequences are read by the transformer."
    )


def _joined(path: tuple[str, ...]) -> str:
    """What a net is stored under, such as `camera/left`; a name may hold a slash itself."""
    return "/".join(path)
