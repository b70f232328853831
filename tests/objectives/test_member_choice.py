"""Which value an ensemble stands for, by hand, and IQL's losses with it."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Gaussian
from pilothouse.objectives.cloning import clone_by_advantage
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.member_choice import lowest, member_quantile
from pilothouse.objectives.temporal_difference import q_on_value, q_on_value_huber

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.zeros((1, 1)), next_obs=jnp.zeros((1, 1)), action=jnp.zeros((1, 1)), reward=jnp.array([3.0]),
    discount=jnp.array([0.5]),
)  # fmt: skip


def test_lowest_and_quantiles_by_hand() -> None:
    values = jnp.array([[4.0, 0.0, 1.0], [2.0, 2.0, 2.0]])
    np.testing.assert_allclose(lowest(values), [0.0, 2.0])
    np.testing.assert_allclose(member_quantile(0.25)(values), [0.5, 2.0])
    np.testing.assert_allclose(member_quantile(0.5)(values), [1.0, 2.0])
    np.testing.assert_allclose(member_quantile(0.0)(values), lowest(values))
    # One wild member moves the middle not at all.
    np.testing.assert_allclose(member_quantile(0.5)(values.at[0, 0].set(1e9)), [1.0, 2.0])


def test_the_value_and_the_weights_stand_on_the_member_chosen() -> None:
    parts = {
        "critic/slow": lambda obs, action: jnp.array([0.0, 1.0, 4.0]), "value": lambda obs: jnp.float32(0.0),
        "actor": lambda obs: Gaussian(jnp.zeros(1), jnp.zeros(1)),
    }  # fmt: skip
    middle = member_quantile(0.5)
    np.testing.assert_allclose(value_expectile(0.7, of=middle)(parts, BATCH, KEY)[0], 0.7)
    np.testing.assert_allclose(value_expectile(0.7)(parts, BATCH, KEY)[0], 0.0)
    weight = clone_by_advantage(2.0, of=middle)(parts, BATCH, KEY)[1]["actor/weight_mean"]
    np.testing.assert_allclose(weight, np.exp(2.0), rtol=1e-6)


def test_huber_s_error_to_the_value_by_hand_and_its_bounded_pull() -> None:
    # Target 3 + 0.5 * 2 = 4; members 3 and 0, delta 2: 0.5 / 2 and 2 (4 - 1) / 2; their mean.
    parts = {"value": lambda obs: jnp.float32(2.0)}

    def loss(q, delta=2.0):  # noqa: ANN001
        return q_on_value_huber(delta)({**parts, "critic": lambda obs, action: q}, BATCH, KEY)[0]

    np.testing.assert_allclose(loss(jnp.array([3.0, 0.0])), (0.25 + 3.0) / 2)
    np.testing.assert_allclose(jax.grad(loss)(jnp.array([3.0, -1e6])), [-0.25, -0.5])
    # With a delta that nothing exceeds it is IQL's, but for the scale.
    q = jnp.array([3.0, 0.0])
    squared = q_on_value({**parts, "critic": lambda obs, action: q}, BATCH, KEY)[0]
    np.testing.assert_allclose(loss(q, 100.0) * 100.0 * 2 * 2, squared, rtol=1e-6)
