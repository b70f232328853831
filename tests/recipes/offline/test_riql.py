"""One wild target moves RIQL's critic no further than a wrong one; IQL's it carries away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.iql import iql
from pilothouse.recipes.offline.riql import riql

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)


def batch(reward: float) -> Batch:
    rewards = jnp.array([0.0, 0.0, reward, 0.0])
    return Batch(
        obs=jnp.zeros((4, 1)), next_obs=jnp.zeros((4, 1)), action=jnp.zeros((4, 1)), reward=rewards,
        discount=jnp.zeros(4),
    )  # fmt: skip


@pytest.mark.parametrize(("method", "bounded"), [(riql, True), (iql, False)])
def test_the_pull_of_a_wild_reward(method, bounded: bool) -> None:  # noqa: ANN001
    fit = method(width=4, depth=1).build(SPEC).stages[0].cycle[0]
    assert isinstance(fit, Fit)
    loss = next(objective.loss for objective in fit.objectives if objective.trains == ("critic",))

    def pull(reward: float) -> float:
        def total(q):  # noqa: ANN001
            parts = {"critic": lambda obs, action: q, "value": lambda obs: jnp.float32(0.0)}
            return loss(parts, batch(reward), KEY)[0]

        return float(jnp.abs(jax.grad(total)(jnp.zeros(2))).max())

    grows = pull(1e4) / pull(10.0)
    np.testing.assert_allclose(grows, 1.0 if bounded else 1e3, rtol=1e-3)


def test_one_wild_member_moves_no_advantage() -> None:
    # Fails with the lowest of the members in place of their quantile.
    fit = riql(width=4, depth=1).build(SPEC).stages[0].cycle[0]
    assert isinstance(fit, Fit)
    loss = next(objective.loss for objective in fit.objectives if objective.trains == ("value",))

    def found(wild: float) -> float:
        slow = lambda obs, action: jnp.array([wild, 1.0, 1.0, 1.0, 1.0])  # noqa: E731
        return float(loss({"critic/slow": slow, "value": lambda obs: jnp.float32(0.0)}, batch(0.0), KEY)[0])

    np.testing.assert_allclose(found(-1e6), found(1.0))
