"""Temporal differences by hand, and which way they pull."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives import temporal_difference as td

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.zeros((2, 1)), next_obs=jnp.ones((2, 1)), action=jnp.zeros((2, 1)), reward=jnp.array([1.0, 2.0]),
    discount=jnp.array([0.5, 0.0]), return_=jnp.array([3.0, 1.0]),
)  # fmt: skip


class Known(eqx.Module):
    """Draws `value` and says that its log-probability is `log_prob`."""

    value: Any
    log_prob_: float

    def sample_and_log_prob(self, key: Any) -> Any:
        return self.value, jnp.float32(self.log_prob_)


def pair(*values: Any) -> Any:
    return lambda obs, action: jnp.stack([jnp.asarray(v, jnp.float32) for v in values])


def test_squared_and_huber_by_hand() -> None:
    # (1 - 3)^2 + (4 - 3)^2 = 5
    np.testing.assert_allclose(td.squared_td_loss(jnp.array([[1.0, 4.0]]), jnp.array([3.0])), [5.0])
    # within: 0.5 * 0.25; beyond: 1 * (2 - 0.5)
    np.testing.assert_allclose(td.huber_td_loss(jnp.array([0.5, 2.0]), jnp.zeros(2)), [0.125, 1.5])
    slope = jax.grad(lambda q: td.huber_td_loss(q, jnp.zeros(3)).sum())(jnp.array([0.5, 3.0, -3.0]))
    np.testing.assert_allclose(slope, [0.5, 1.0, -1.0])
    target = jax.grad(lambda t: td.squared_td_loss(jnp.array([[1.0]]), t).sum())(jnp.array([3.0]))
    assert float(target[0]) == 0.0


def test_soft_td_by_hand() -> None:
    # alpha 2, log-probability -1, slow members 10 and 4: targets 1 + 0.5 (4 + 2) = 4, and 2 (terminated).
    parts = {"actor": lambda obs: Known(jnp.zeros(1), -1.0), "critic/slow": pair(10.0, 4.0), "log_alpha": jnp.log(2.0)}

    def loss(q: Any) -> Any:
        return td.soft_td({**parts, "critic": lambda obs, action: q}, BATCH, KEY)[0]

    q = jnp.array([3.0, 5.0])
    # row one: 1 + 1 = 2; row two: 1 + 9 = 10; half their mean: 3. The slope: mean of (q - target) = (-1 + 1) / 2 …
    np.testing.assert_allclose(loss(q), 3.0, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(loss)(q), [0.0, 2.0], atol=1e-6)  # ((3-4) + (3-2)) / 2, ((5-4) + (5-2)) / 2


def test_td3_takes_the_lower_member_at_a_smoothed_action() -> None:
    np.testing.assert_allclose(td.smoothed_action(jnp.array([0.9, 0.0]), jnp.array([0.3, -0.9]), clip=0.5), [1.0, -0.5])
    parts = {"actor/slow": lambda obs: Deterministic(jnp.array([0.25])), "critic": pair(0.0, 0.0)}
    slow = lambda obs, action: jnp.stack([8 * action[0], 20 * action[0]])  # noqa: E731
    # Without noise: targets 1 + 0.5 * 2 = 2 and 2, each for two members: (4 + 4 + 4 + 4) / 2 = 8.
    loss, aux = td.td3_td(noise=0.0)({**parts, "critic/slow": slow}, BATCH, KEY)
    np.testing.assert_allclose(loss, 8.0)
    np.testing.assert_allclose(aux["critic/td_error"], [2.0, 2.0])


def test_values_bootstrap_and_returns_do_not() -> None:
    value = {"value": lambda obs: 4.0 * obs[0] + 1.0, "critic": pair(1.0, 2.0)}  # 1 at obs, 5 at next_obs
    # IQL's critic: targets 1 + 0.5 * 5 = 3.5 and 2: (6.25 + 2.25 + 1 + 0) / 2
    np.testing.assert_allclose(td.q_on_value(value, BATCH, KEY)[0], 4.75)
    np.testing.assert_allclose(td.value_error(value, BATCH, KEY)[0], (2.5**2 + 1) / 2)
    np.testing.assert_allclose(td.value_to_return(value, BATCH, KEY)[0], (4 + 0) / 2)
    np.testing.assert_allclose(td.q_to_return(value, BATCH, KEY)[0], ((4 + 1) + (0 + 1)) / 2)


@pytest.mark.parametrize(("double", "target"), [(False, 1 + 0.5 * 9), (True, 1 + 0.5 * 7)])
def test_dqn_and_double_dqn_by_hand(double: bool, target: float) -> None:
    # The slow network says 7 and 9, the live one prefers the first: double values the first by the slow one.
    batch = BATCH.replace(action=jnp.array([1, 1]))
    parts = {
        "critic/slow": lambda obs: jnp.array([7.0, 9.0]),
        "critic": lambda obs: jnp.array([5.0, 3.0]),
    }
    loss = (td.double_dqn_td if double else td.dqn_td)()(parts, batch, KEY)[0]
    # Huber beyond 1: |3 - target| - 0.5; second row: |3 - 2| = 1: 0.5.
    np.testing.assert_allclose(loss, (abs(3 - target) - 0.5 + 0.5) / 2, rtol=1e-6)


def test_a_masked_choice_is_never_the_best() -> None:
    values = jnp.array([[1.0, 9.0]])
    np.testing.assert_allclose(td.greedy_value(values, values, jnp.array([[True, False]])), [1.0])
    np.testing.assert_allclose(td.greedy_value(values, -values), [1.0])
