"""PRDC lets the actor do what similar states did; TD3+BC only what this very row did."""

import jax.numpy as jnp
import jax.random
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.cloning import td3_bc
from pilothouse.objectives.dataset_constraint import td3_near_data


def test_no_pull_on_an_action_that_a_neighbour_took() -> None:
    # Two rows in one state, one action bad and one good; the actor does the good one. Fails with TD3+BC's tether.
    rows = Batch(obs=jnp.zeros((2, 1)), action=jnp.array([[-1.0], [1.0]]), reward=jnp.zeros(2))
    parts = {
        "data": rows,
        "actor": lambda obs: Deterministic(jnp.array([1.0])),
        "critic": lambda obs, action: jnp.array([0.0, 0.0]) + 1.0 + 0.0 * action[0],
    }
    key = jax.random.key(0)
    pulls = [loss(parts, rows, key)[0] + 2.5 for loss in (td3_near_data(2.5, 2.0), td3_bc(2.5))]
    np.testing.assert_allclose(pulls, [0.0, 2.0], atol=1e-6)  # TD3+BC: (2^2 + 0) / 2
