"""Fitted Q by hand: the held values say what follows, and only the named part moves."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.nested import fitted_td


def test_a_fitted_step_by_hand() -> None:
    batch = Batch(
        obs=jnp.array([[1.0], [2.0]]), next_obs=jnp.array([[3.0], [0.0]]), action=jnp.array([1, 0]),
        reward=jnp.array([1.0, 2.0]), discount=jnp.array([0.5, 0.0]),
    )  # fmt: skip

    def values(slope):  # noqa: ANN001, ANN202
        return lambda obs: jnp.array([obs[0], slope * obs[0]])

    def loss(slope, held):  # noqa: ANN001, ANN202
        said = fitted_td(lambda parts: values(parts["slope"]), lambda parts: values(parts["held"]), name="own")
        return said({"slope": slope, "held": held}, batch, jax.random.key(0))

    # Targets 1 + 0.5 * max(3, 2 * 3) = 4 and 2, where the episode ended; values of what was done 3 * 1 and 2.
    value, aux = loss(jnp.float32(3.0), jnp.float32(2.0))
    np.testing.assert_allclose(value, ((3 - 4) ** 2 + 0) / 2)
    np.testing.assert_allclose([aux["own/q_mean"], aux["own/target_mean"]], [2.5, 3.0])
    slopes = jax.grad(lambda *both: loss(*both)[0], argnums=(0, 1))(jnp.float32(3.0), jnp.float32(2.0))
    np.testing.assert_allclose(slopes, [-1.0, 0.0])  # 2 (3 - 4) * 1 / 2 towards the target, which is a constant
