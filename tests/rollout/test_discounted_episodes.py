"""Discounted returns of whole episodes."""

import jax
import numpy as np

from pilothouse.policies.policy import Random
from pilothouse.rollout.episodes import traced_episodes
from pilothouse.worlds.registry import world


def test_a_reward_of_one_each_step_is_a_geometric_sum() -> None:
    cartpole = world("cartpole")

    def run(discount: float):
        policy = Random(cartpole.spec.action)
        return jax.jit(lambda key: traced_episodes(policy, cartpole, key, episodes=5, longest=500, discount=discount))(
            jax.random.key(0)
        )

    plain, discounted = run(1.0), run(0.9)
    np.testing.assert_array_equal(plain.returns, plain.lengths)
    np.testing.assert_allclose(discounted.returns, (1 - 0.9 ** np.asarray(plain.lengths)) / (1 - 0.9), rtol=1e-5)
