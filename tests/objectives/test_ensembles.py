"""Critics with many members by hand: what a few of them say, and a policy on the mean of all."""

from itertools import combinations
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.ensembles import soft_policy_on_mean, soft_td_of_some, some_members
from pilothouse.objectives.policy_gradient import soft_policy
from pilothouse.objectives.temporal_difference import soft_td

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.zeros((2, 1)), next_obs=jnp.ones((2, 1)), action=jnp.zeros((2, 1)), reward=jnp.array([1.0, 2.0]),
    discount=jnp.array([0.5, 0.0]),
)  # fmt: skip


class Known(eqx.Module):
    value: Any
    log_prob_: float

    def sample_and_log_prob(self, key: Any) -> Any:
        return self.value, jnp.float32(self.log_prob_)


def members(*values: float) -> Any:
    return lambda obs, action: jnp.asarray(values, jnp.float32)


def test_a_few_members_are_different_ones_each_as_often_and_the_same_for_every_row() -> None:
    values = jnp.stack([jnp.arange(4.0), jnp.arange(4.0) + 10])
    drawn = np.asarray(jax.vmap(lambda key: some_members(values, 2, key))(jax.random.split(KEY, 2_000)))
    np.testing.assert_array_equal(drawn[:, 1], drawn[:, 0] + 10)
    pairs = np.sort(drawn[:, 0], axis=1)
    for pair in combinations(range(4), 2):  # six pairs, each with probability 1/6; five deviations are 0.042
        assert abs((pairs == pair).all(axis=1).mean() - 1 / 6) < 0.042
    np.testing.assert_array_equal(some_members(values, 4, KEY), values)


def test_the_target_is_the_lowest_of_the_few_with_entropy_or_without() -> None:
    # alpha 2, log-probability -1. All members alike at 4: targets 1 + 0.5 (4 + 2) = 4 and 2; without entropy 3 and 2.
    parts = {
        "actor": lambda obs: Known(jnp.zeros(1), -1.0),
        "critic/slow": members(4.0, 4.0, 4.0),
        "log_alpha": jnp.log(2.0),
        "critic": members(3.0, 5.0, 3.0),
    }
    # with: ((1 + 1 + 1) + (1 + 9 + 1)) / 2 / 2 = 3.5; without: ((0 + 4 + 0) + (1 + 9 + 1)) / 2 / 2 = 3.75
    np.testing.assert_allclose(soft_td_of_some(2)(parts, BATCH, KEY)[0], 3.5, rtol=1e-6)
    np.testing.assert_allclose(soft_td_of_some(2, entropy=False)(parts, BATCH, KEY)[0], 3.75, rtol=1e-6)
    # one of two members, 10 or 4: over many keys both targets come, and with both members only the lower
    two = {**parts, "critic/slow": members(10.0, 4.0), "critic": members(3.0, 5.0)}
    said = {
        round(float(soft_td_of_some(1)(two, BATCH, jax.random.key(s))[1]["critic/target_mean"]), 3) for s in range(20)
    }
    assert said == {3.0, 4.5}  # means of (4, 2) and (7, 2)
    one, other = soft_td_of_some(2)(two, BATCH, KEY)[0], soft_td(two, BATCH, KEY)[0]
    np.testing.assert_allclose(one, other, rtol=1e-6)  # with all members it is SAC's


def test_the_policy_climbs_the_mean_where_sac_climbs_the_lowest() -> None:
    def loss(objective: Any, action: Any) -> Any:
        critic = lambda obs, a: jnp.stack([3.0 * a[0], 1.0 * a[0], -1.0 * a[0]])  # noqa: E731
        parts = {"actor": lambda obs: Known(action, -1.0), "critic": critic, "log_alpha": jnp.log(2.0)}
        return objective(parts, BATCH, KEY)[0]

    action = jnp.array([2.0])
    np.testing.assert_allclose(loss(soft_policy_on_mean, action), -2.0 - 2.0, rtol=1e-6)  # mean of 6, 2, -2 is 2
    assert float(jax.grad(lambda a: loss(soft_policy_on_mean, a))(action)[0]) == -1.0
    assert float(jax.grad(lambda a: loss(soft_policy, a))(action)[0]) == 1.0  # the lowest falls with the action
