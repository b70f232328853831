"""PARS scales rewards before anything is learned from them, and pays for values far out; TD3+BC does neither."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.recipes.offline.pars import pars
from pilothouse.recipes.offline.td3bc import td3bc

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
ROWS = Batch(
    obs=jnp.zeros((6, 1)), next_obs=jnp.zeros((6, 1)), action=jnp.zeros((6, 1)), reward=jnp.ones(6),
    terminated=jnp.ones(6, bool), truncated=jnp.zeros(6, bool), valid=jnp.ones(6, bool),
)  # fmt: skip


def critic_loss(method: Any, critic: Any) -> float:
    """The loss of this critic in the method's first update, on a batch that the method itself takes from the data."""
    fit = method.build(SPEC).stages[0].cycle[0]
    assert isinstance(fit, Fit)
    parts = {
        "data": ROWS,
        "actor/slow": lambda obs: Deterministic(jnp.zeros(1)),
        "critic": critic,
        "critic/slow": critic,
    }
    key = jax.random.key(0)
    ticket = jax.tree.map(lambda x: x[0], fit.batches.plan(parts, key, 1))
    batch, _ = fit.batches.take(parts, ticket, key)
    return float(sum(each.weight * each.loss(parts, batch, key)[0] for each in fit.objectives))  # type: ignore


SIZES: dict[str, Any] = {"width": 4, "depth": 1, "batch": 4}


@pytest.mark.parametrize(
    ("method", "pays"), [(pars(**SIZES, scale=10.0, penalty=0.5, far=9.0), True), (td3bc(**SIZES), False)]
)
def test_a_value_that_goes_on_rising_beyond_the_bounds_costs(method: Any, pays: bool) -> None:
    worth = 10.0 if pays else 1.0  # the reward of 1, in the unit of what is learned; every episode ends here

    def flat(obs: Any, action: Any) -> Any:
        return worth * jnp.where(jnp.abs(action[0]) <= 1.0, 1.0, 0.0) * jnp.ones(2)

    def rising(obs: Any, action: Any) -> Any:
        return (worth + action[0] * jnp.where(jnp.abs(action[0]) <= 1.0, 0.0, 1.0)) * jnp.ones(2)

    np.testing.assert_allclose(critic_loss(method, flat), 0.0, atol=1e-6)  # right about the data, and 0 outside
    if pays:
        assert critic_loss(method, rising) > 0.5  # nothing but the infeasible actions tells them apart
    else:
        np.testing.assert_allclose(critic_loss(method, rising), 0.0, atol=1e-6)
