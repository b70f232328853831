"""COMBO's critic presses down what is imagined and raises the data."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.objectives.imagined import conservative_on_imagined, joined


def test_combo_presses_down_what_is_imagined_and_raises_the_data() -> None:
    def rows(obs: float) -> Batch:
        zeros = jnp.zeros(2)
        where = jnp.full((2, 1), obs)
        return Batch(obs=where, next_obs=where, action=zeros[:, None], reward=zeros, discount=zeros)

    def critic(level: Any) -> Any:
        return lambda obs, action: jnp.where(obs[:1] > 0, level["data"], level["imagined"])

    def actor(obs: Any) -> SquashedGaussian:
        return SquashedGaussian(jnp.zeros(1), jnp.zeros(1), 1)

    def loss(level: Any, weight: float) -> Any:
        parts = {"actor": actor, "critic": critic(level), "critic/slow": critic(level)}
        batch = Batch(data=rows(1.0), imagined=rows(-1.0))
        return conservative_on_imagined(weight, 4)(parts, batch, jax.random.key(0))[0]

    level = {"data": jnp.asarray(3.0), "imagined": jnp.asarray(1.0)}
    # Without the gap: squares of 3 and 1 against a target of 0, mean 5.
    np.testing.assert_allclose(loss(level, 0.0), 5.0, rtol=1e-6)
    slope = jax.grad(lambda now: loss(now, 1.0) - loss(now, 0.0))(level)
    np.testing.assert_allclose([slope["data"], slope["imagined"]], [-1.0, 1.0], rtol=1e-5)


def test_joined_keeps_what_both_have() -> None:
    one, other = Batch(obs=jnp.zeros(2), valid=jnp.ones(2)), Batch(obs=jnp.ones(1))
    found = joined(one, other)
    assert list(found) == ["obs"]
    np.testing.assert_array_equal(found.obs, [0.0, 0.0, 1.0])
