"""Returns as policies are told them, cloning over stretches, and the error of a reward model, by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.learned_models import reward_error
from pilothouse.objectives.return_conditioned import ReturnScale, clone_sequences


def test_told_returns_are_standardised() -> None:
    scale = ReturnScale(jnp.asarray(10.0), jnp.asarray(4.0), jnp.asarray(20.0))
    np.testing.assert_allclose(scale.told(jnp.array([10.0, 18.0, 2.0])), [0.0, 2.0, -2.0])


def test_sequences_are_cloned_on_valid_steps_only() -> None:
    def actor(told: Any, obs: Any, action: Any, step: Any, valid: Any, *, rate: Any, key: Any) -> Deterministic:
        return Deterministic((told + step)[:, None])

    batch = Batch(
        return_to_go=jnp.array([[3.0, 1.0], [99.0, 5.0]]),
        obs=jnp.zeros((2, 2, 1)),
        action=jnp.zeros((2, 2, 1)),
        step=jnp.array([[0, 1], [0, 0]]),
        valid=jnp.array([[True, True], [False, True]]),
        reward=jnp.zeros((2, 2)),
    )
    scale = ReturnScale(jnp.asarray(1.0), jnp.asarray(2.0), jnp.asarray(0.0))
    # Told (1, 0) and (-, 2), plus steps (0, 1) and (-, 0): squares 1, 1 and 4 over three valid steps.
    loss, _ = clone_sequences(0.0)({"actor": actor, "returns": scale}, batch, jax.random.key(0))
    np.testing.assert_allclose(loss, 2.0)


def test_reward_error_by_hand_over_any_leading_axes() -> None:
    def model(obs: Any, action: Any) -> Any:
        return jnp.stack([obs[0], action[0]])

    obs, action, reward = jnp.array([[1.0], [2.0]]), jnp.array([[0.0], [1.0]]), jnp.array([1.0, 0.0])
    batch = Batch(obs=obs, action=action, reward=reward)
    # Gaps (0, -1) and (2, 1): squares 1 and 5, mean 3.
    np.testing.assert_allclose(reward_error()({"reward": model}, batch, jax.random.key(0))[0], 3.0)
    wide = jax.tree.map(lambda x: x[None], batch)
    np.testing.assert_allclose(reward_error()({"reward": model}, wide, jax.random.key(0))[0], 3.0)
