"""ReBRAC's two penalties by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.behaviour_penalty import penalised_policy, penalised_td
from pilothouse.objectives.temporal_difference import td3_td

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.zeros((2, 1)), next_obs=jnp.ones((2, 1)), action=jnp.array([[0.0, 1.0], [0.5, 0.5]]),
    next_action=jnp.array([[0.5, -0.5], [9.0, 9.0]]), follows=jnp.array([True, False]), reward=jnp.array([1.0, 2.0]),
    discount=jnp.array([0.5, 0.5]),
)  # fmt: skip
PARTS = {
    "actor/slow": lambda obs: Deterministic(jnp.array([0.5, 0.5])),
    "actor": lambda obs: Deterministic(jnp.array([0.5, 0.5])),
    "critic/slow": lambda obs, action: jnp.array([10.0, 4.0]),
    "critic": lambda obs, action: jnp.array([3.0, 5.0]),
}


def test_the_target_pays_for_leaving_the_next_action_where_there_is_one() -> None:
    # Distance 1 in the first row, none counts in the second: targets 1 + 0.5 (4 - 2) = 2, and 2 + 0.5 * 4 = 4.
    loss, aux = penalised_td(2.0, noise=0.0)(PARTS, BATCH, KEY)
    np.testing.assert_allclose(aux["critic/target_mean"], 3.0)
    np.testing.assert_allclose(loss, ((1 + 9) + (1 + 1)) / 2)
    np.testing.assert_allclose(penalised_td(0.0)(PARTS, BATCH, KEY)[0], td3_td()(PARTS, BATCH, KEY)[0])


def test_the_policy_climbs_the_scaled_lower_value_and_is_held_by_the_sum_of_squares() -> None:
    # Distances 0.5 and 0; the lower value 3 over its size is 1.
    np.testing.assert_allclose(penalised_policy(4.0)(PARTS, BATCH, KEY)[0], 4 * 0.25 - 1, rtol=1e-6)
    # Values a hundred times as large pull no harder.
    large = {**PARTS, "critic": lambda obs, action: jnp.array([300.0, 500.0])}
    np.testing.assert_allclose(penalised_policy(4.0)(large, BATCH, KEY)[0], 0.0, atol=1e-6)
