"""The adversary that diverts a policy step by step keeps to its box, and finds the edge that matters."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.guard.attacks import Diverted
from pilothouse.policies.policy import Memoryless


class Weighing(Memoryless):
    """Does a weighted sum of what it sees."""

    def __call__(self, obs, carry, key):
        return (obs @ jnp.array([1.0, -3.0, 0.0]))[None], carry, {}


def test_a_linear_policy_is_diverted_by_all_that_the_box_allows() -> None:
    radius = jnp.array([0.1, 0.2, 0.3])
    policy, obs = Diverted(Weighing(), radius), jnp.array([1.0, 2.0, 3.0])
    actions, _, extra = jax.vmap(lambda key: policy(obs, (), key))(jax.random.split(jax.random.key(0), 16))
    assert (np.abs(extra["move"]) <= radius + 1e-6).all()
    # 1 * 0.1 + 3 * 0.2 to either side of 1 - 6 = -5: all the ascent can find.
    np.testing.assert_allclose(np.abs(actions[:, 0] + 5.0), 0.7, rtol=1e-4)
    still, _, _ = Diverted(Weighing(), 0.0)(obs, (), jax.random.key(0))
    np.testing.assert_allclose(still, -5.0, rtol=1e-6)
