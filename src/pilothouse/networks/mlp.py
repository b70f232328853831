"""Dense layers and the multi-layer perceptron that most networks here are made of."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Activation = Callable[[Array], Array]


class Linear(eqx.Module):
    """`x @ weight + bias`. Weights are stored `(inputs, outputs)`: about a tenth faster on CPU than the transpose."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        orthogonal: float | None = None,
        bound: float | None = None,
        key: PRNGKeyArray,
    ):
        r"""Uniform weights and bias within $\pm$`bound`, by default $1/\sqrt{inputs}$; or, with `orthogonal` given, an
        orthogonal matrix times that number and a zero bias.
        """
        if orthogonal is not None:
            self.weight = orthogonal * orthogonal_matrix(inputs, outputs, key=key)
            self.bias = jnp.zeros(outputs, jnp.float32)
            return
        weight_key, bias_key = jax.random.split(key)
        limit = max(inputs, 1) ** -0.5 if bound is None else bound
        self.weight = jax.random.uniform(weight_key, (inputs, outputs), jnp.float32, -limit, limit)
        self.bias = jax.random.uniform(bias_key, (outputs,), jnp.float32, -limit, limit)

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        return x @ self.weight + self.bias


def orthogonal_matrix(rows: int, columns: int, *, key: PRNGKeyArray) -> Float[Array, "rows columns"]:
    r"""A random matrix whose rows or columns, whichever are fewer, are orthonormal: uniform over all such.

    The orthogonal factor of a normal matrix, by the Newton-Schulz iteration $X \leftarrow X (3 I - X^T X) / 2$. Products
    alone, on purpose: on CPU a batched QR factorisation inside a compiled program was seen to wait for ever.
    """
    tall = jax.random.normal(key, (max(rows, columns), min(rows, columns)))

    def step(x: Array, _: None) -> tuple[Array, None]:
        return 1.5 * x - 0.5 * x @ (x.T @ x), None

    found, _ = jax.lax.scan(step, tall / jnp.linalg.norm(tall), None, length=40)
    return found if rows >= columns else found.T


class LayerNorm(eqx.Module):
    """Zero mean and unit variance over the last axis, then a learnt scale and shift.

    **Source:** Ba, Kiros and Hinton, arXiv:1607.06450, section 3.
    """

    scale: Float[Array, " size"]
    shift: Float[Array, " size"]

    def __init__(self, size: int):
        self.scale = jnp.ones(size, jnp.float32)
        self.shift = jnp.zeros(size, jnp.float32)

    def __call__(self, x: Float[Array, "*batch size"]) -> Float[Array, "*batch size"]:
        mean = x.mean(axis=-1, keepdims=True)
        variance = jnp.square(x - mean).mean(axis=-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * self.scale + self.shift


class MLP(eqx.Module):
    """`depth` hidden layers of `width`, then a linear layer without activation.

    Takes one vector; leading axes pass through, though `vmap` costs the same. With `layer_norm` every hidden layer is
    normalised before its activation.
    """

    layers: tuple[Linear, ...]
    norms: tuple[LayerNorm, ...]
    activation: Activation = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 256,
        depth: int = 2,
        activation: Activation = jax.nn.relu,
        *,
        layer_norm: bool = False,
        orthogonal: float | None = None,
        final_scale: float | None = None,
        key: PRNGKeyArray,
    ):
        """`orthogonal` is the gain of hidden layers (the last then has gain `final_scale`, by default 1); without it
        weights are uniform, and `final_scale` is the bound of the last layer's.
        """
        sizes = (inputs, *[width] * depth)
        *hidden_keys, final_key = jax.random.split(key, depth + 1)
        hidden = tuple(
            Linear(size, width, orthogonal=orthogonal, key=k) for size, k in zip(sizes[:-1], hidden_keys, strict=True)
        )
        if orthogonal is None:
            final = Linear(sizes[-1], outputs, bound=final_scale, key=final_key)
        else:
            gain = 1.0 if final_scale is None else final_scale
            final = Linear(sizes[-1], outputs, orthogonal=gain, key=final_key)
        self.layers = (*hidden, final)
        self.norms = tuple(LayerNorm(width) for _ in range(depth)) if layer_norm else ()
        self.activation = activation

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        *hidden, final = self.layers
        for position, layer in enumerate(hidden):
            x = layer(x)
            if self.norms:
                x = self.norms[position](x)
            x = self.activation(x)
        return final(x)
