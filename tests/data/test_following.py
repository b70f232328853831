"""The action that the data took next, and where there is none."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.following import Following


def test_the_next_row_s_action_within_an_episode_only() -> None:
    # Row 1 ends by termination, row 3 by a time limit; rows 4 and 5 are an episode that is merely cut.
    rows = Batch(
        action=jnp.arange(6.0)[:, None], episode_id=jnp.array([0, 0, 1, 1, 2, 2]), reward=jnp.zeros(6),
        terminated=jnp.arange(6) == 1, truncated=jnp.arange(6) == 3,
    )  # fmt: skip
    sampler, every = Following("data", 6, 0.9), jnp.arange(6)
    batch, _ = sampler.take({"data": rows}, every, jax.random.key(0))
    np.testing.assert_array_equal(batch.follows, [True, False, True, False, True, False])
    np.testing.assert_array_equal(batch.next_action[batch.follows, 0], [1.0, 3.0, 5.0])
    np.testing.assert_allclose(batch.discount, [0.9, 0.0, 0.9, 0.9, 0.9, 0.9])
    # One episode that ends without a flag: another's number says so.
    cut = rows.replace(terminated=jnp.zeros(6, bool), truncated=jnp.zeros(6, bool))
    batch, _ = sampler.take({"data": cut}, every, jax.random.key(0))
    np.testing.assert_array_equal(batch.follows, [True, False, True, False, True, False])
