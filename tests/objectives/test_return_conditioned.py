"""Returns as policies are told them, cloning over stretches, and the error of a reward model, by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.learned_models import reward_error
from pilothouse.objectives.return_conditioned import (
    ReturnRange,
    ReturnScale,
    clone_given_return,
    clone_sequences,
    likely_actions,
    likely_returns,
    return_log_probs,
)


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


RANGE = ReturnRange(jnp.asarray(-2.0), jnp.asarray(6.0))


def of_return(seen: Any, action: Any) -> Any:
    """Minus an energy that likes returns as the action says: action x told return."""
    return action * seen["to_go"]


def test_returns_within_a_range_are_told_from_minus_one_to_one() -> None:
    np.testing.assert_allclose(RANGE.told(jnp.array([-2.0, 2.0, 6.0])), [-1.0, 0.0, 1.0])
    alike = ReturnRange(jnp.asarray(3.0), jnp.asarray(3.0))
    assert np.isfinite(alike.told(jnp.array(3.0)))  # data in which every return is the same


def test_the_likelihood_of_returns_by_hand() -> None:
    # Returns -2, 2, 6 are told -1, 0, 1 and score -a, 0, a. With a = log 2: 1/2, 1, 2 over 3.5. Returns 6 and 3 (nearest: 2).
    action = jnp.full((2, 1), jnp.log(2.0))
    probs = jnp.exp(return_log_probs(of_return, jnp.zeros(1), action[0], 3))
    np.testing.assert_allclose(probs, [1 / 7, 2 / 7, 4 / 7], rtol=1e-5)
    batch = Batch(obs=jnp.zeros((2, 1)), action=action, reward=jnp.zeros(2), return_to_go=jnp.array([6.0, 3.0]))
    loss, _ = likely_returns(3)({"likelihood": of_return, "range": RANGE}, batch, jax.random.key(0))
    np.testing.assert_allclose(loss, -0.5 * (np.log(4 / 7) + np.log(2 / 7)), rtol=1e-5)


def test_actions_are_told_from_uniform_ones() -> None:
    batch = Batch(obs=jnp.zeros((3, 1)), action=jnp.full((3, 1), 0.5), reward=jnp.zeros(3))

    def loss(score: Any) -> float:
        return float(likely_actions(7)({"behaviour": score}, batch, jax.random.key(0))[0])

    np.testing.assert_allclose(loss(lambda obs, action: 0.0 * action), np.log(8), rtol=1e-6)  # eight alike
    assert loss(lambda obs, action: -50.0 * jnp.abs(action - 0.5)) < 0.5  # the data's action stands out
    assert loss(lambda obs, action: 50.0 * jnp.abs(action - 0.5)) > np.log(8)


def test_cloning_given_a_return_by_hand() -> None:
    # Told 1 and -1 the actor does 1 and -1, where 0.5 and -1 were done: squares 0.25 and 0.
    batch = Batch(
        obs=jnp.zeros((2, 1)),
        action=jnp.array([[0.5], [-1.0]]),
        reward=jnp.zeros(2),
        return_to_go=jnp.array([6.0, -2.0]),
    )
    parts = {"actor": lambda seen: Deterministic(seen["to_go"]), "range": RANGE}
    loss, _ = clone_given_return(parts, batch, jax.random.key(0))
    np.testing.assert_allclose(loss, 0.125)
