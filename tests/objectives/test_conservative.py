"""CQL's gap by hand, by integration, and which way it pulls."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.objectives.conservative import conservative_gap, conservative_td

KEY = jax.random.key(0)


def test_the_gap_by_hand_and_its_pull() -> None:
    # Densities 1/2 and 1/4, values log 1 and log 2 by the only member: log(2 + 8) - 3.
    other, density = jnp.log(jnp.array([[[1.0]], [[2.0]]])), jnp.log(jnp.array([[0.5], [0.25]]))
    data = jnp.array([[3.0]])
    np.testing.assert_allclose(conservative_gap(data, other, density), [math.log(10) - 3], rtol=1e-6)
    down = jax.grad(lambda x: conservative_gap(data, x, density).sum())(other)
    np.testing.assert_allclose(down[:, 0, 0], [0.2, 0.8], rtol=1e-5)  # the shares of the sum: pressed down
    np.testing.assert_allclose(jax.grad(lambda x: conservative_gap(x, other, density).sum())(data), [[-1.0]])
    # Two members add up, and a constant added to all values moves nothing.
    both = conservative_gap(jnp.array([[3.0, 3.0]]), jnp.concatenate([other, other], axis=-1), density)
    np.testing.assert_allclose(both, 2 * (math.log(10) - 3), rtol=1e-6)
    np.testing.assert_allclose(conservative_gap(data + 5, other + 5, density), [math.log(10) - 3], rtol=1e-5)


def test_many_draws_of_any_density_estimate_the_same_integral() -> None:
    # log of the integral of exp(2a) over [-1, 1] = log(sinh 2), by three densities.
    def estimate(samples: int, mean: float, slope: float) -> Any:
        batch = Batch(
            obs=jnp.zeros((1, 1)), next_obs=jnp.zeros((1, 1)), action=jnp.zeros((1, 1)), reward=jnp.zeros(1),
            discount=jnp.zeros(1),
        )  # fmt: skip
        parts = {
            "actor": lambda obs: SquashedGaussian(jnp.array([mean]), jnp.array([0.0])),
            "critic": lambda obs, action: slope * action,
            "critic/slow": lambda obs, action: jnp.zeros(1),
        }
        return conservative_td(1.0, samples)(parts, batch, KEY)[1]["critic/gap"] - math.log(3 * samples)

    np.testing.assert_allclose(estimate(20_000, 0.3, 2.0), math.log(math.sinh(2)), atol=0.03)
    np.testing.assert_allclose(estimate(20_000, -0.5, 0.0), math.log(2), atol=0.03)


def test_the_loss_is_the_error_and_the_weighed_gap() -> None:
    batch = Batch(
        obs=jnp.zeros((2, 1)), next_obs=jnp.ones((2, 1)), action=jnp.array([[0.25], [-0.25]]),
        reward=jnp.array([1.0, 2.0]), discount=jnp.array([0.5, 0.0]),
    )  # fmt: skip
    parts = {
        "actor": lambda obs: SquashedGaussian(jnp.zeros(1), jnp.zeros(1)),
        "critic": lambda obs, action: jnp.array([3.0, 5.0]),
        "critic/slow": lambda obs, action: jnp.array([10.0, 4.0]),
    }
    # Targets 3 and 2: ((0 + 4) + (1 + 9)) / 2 = 7, whatever is drawn.
    plain, aux = conservative_td(0.0, 2)(parts, batch, KEY)
    np.testing.assert_allclose(plain, 7.0, rtol=1e-6)
    np.testing.assert_allclose(conservative_td(5.0, 2)(parts, batch, KEY)[0], 7.0 + 5 * aux["critic/gap"], rtol=1e-5)
