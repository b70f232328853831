"""The mechanism: what can be argued for a decision, to a judge of few features, is part of its reward."""

import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.debate import Debate, outcomes
from pilothouse.recipes.explain.debate_based_justifiable_rewards import justified

GAME = Debate(2, 1)


def judge(seen):
    """Leans to action 0 by the first feature, and to action 1 by the second; of what is not revealed it knows nothing."""
    return jnp.stack([seen[0], seen[1]])


def test_rewards_are_mixed_with_what_debates_come_to() -> None:
    # All of both features is revealed: margins are 2 - 1 = 1 for action 0 and -1 for action 1, one other action each.
    # Fails where the debate is left out: rewards then stay 3.
    obs, action = jnp.array([[2.0, 1.0], [2.0, 1.0]]), jnp.array([0, 1])
    np.testing.assert_allclose(outcomes(GAME, judge, obs, action), np.tanh([0.5, -0.5]), rtol=1e-6)
    rows = Batch(obs=obs, action=action, reward=jnp.array([3.0, 3.0]))
    mixed = justified(GAME, 0.25)({"judge": judge}, rows).reward
    np.testing.assert_allclose(mixed, 0.75 * 3 + 0.25 * np.tanh([0.5, -0.5]), rtol=1e-6)
