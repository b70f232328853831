"""Activations against JAX's own, values and gradients, far out on both sides."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.networks.activations import mish


def test_mish_and_its_gradient_are_those_of_the_definition() -> None:
    x = jnp.concatenate([jnp.linspace(-100.0, 100.0, 801), jnp.array([-1e-6, 0.0, 1e-6])])
    np.testing.assert_allclose(mish(x), jax.nn.mish(x), rtol=1e-5, atol=1e-6)
    slopes = [jax.vmap(jax.grad(f))(x) for f in (mish, jax.nn.mish)]
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=1e-5)
    # At 0 the value is 0 and the slope tanh(log 2) = 3 / 5.
    np.testing.assert_allclose([mish(jnp.float32(0)), jax.grad(mish)(jnp.float32(0))], [0.0, 0.6], atol=1e-6)
