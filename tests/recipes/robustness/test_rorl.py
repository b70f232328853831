"""RORL sees what lies between the data; SAC-N, which it is without that, does not."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.recipes.offline.sac_n import sac_n
from pilothouse.recipes.robustness.rorl import rorl

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
ROWS = Batch(
    obs=jnp.zeros((4, 1)), next_obs=jnp.zeros((4, 1)), action=jnp.full((4, 1), 0.5), reward=jnp.ones(4),
    discount=jnp.zeros(4),
)  # fmt: skip


def losses(
    method: Any, *, policy_slope: float = 0.0, value_slope: float = 0.0, disagree: float = 0.0
) -> dict[str, Any]:
    """The loss of each part in the method's update: at the data's observation, 0, the slopes change nothing."""
    fit = method(width=4, depth=1, members=2).build(SPEC).stages[-1].cycle[-1]
    assert isinstance(fit, Fit)

    def critic(obs: Any, action: Any) -> Any:
        return (1.0 + value_slope * obs[0]) * jnp.ones(2) + disagree * obs[0] * jnp.array([1.0, -1.0])

    parts = {
        "actor": lambda obs: SquashedGaussian(policy_slope * obs, jnp.zeros(1)),
        "critic": critic,
        "critic/slow": critic,
        "log_alpha": jnp.zeros(()),
        "clock": {"updates": jnp.int32(0)},
    }
    found: dict[str, Any] = {}
    for objective in fit.objectives:
        value = objective.weight * objective.loss(parts, ROWS, jax.random.key(0))[0]  # type: ignore
        found[objective.trains[0]] = found.get(objective.trains[0], 0.0) + value
    return found


@pytest.mark.parametrize(("method", "sees"), [(rorl, True), (sac_n, False)])
def test_what_lies_between_the_data_counts(method: Any, sees: bool) -> None:
    even = losses(method)
    for part, change in [
        ("actor", {"policy_slope": 5.0}),
        ("critic", {"value_slope": 50.0}),
        ("critic", {"disagree": 50.0}),
    ]:
        uneven = losses(method, **change)
        if sees:
            assert uneven[part] > even[part] + 1e-5
        else:
            np.testing.assert_allclose(uneven[part], even[part], rtol=1e-6)
