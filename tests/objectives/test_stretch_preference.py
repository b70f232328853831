"""A reward from preferences between stretches: the margin by hand, and what learning by it is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.objectives.preference import logistic_preference_loss, prefer
from pilothouse.objectives.stretch_preference import judged, stretch_margin, stretch_returns

KEY = jax.random.key(0)


class Linear:
    """Two members: the first adds observation and action up, the second takes one from the other."""

    def __call__(self, obs, action):
        return jnp.stack([obs[0] + action[0], obs[0] - action[0]])


def stretch(obs, action) -> Batch:
    """One stretch of so many steps."""
    return Batch(obs=jnp.asarray(obs)[None, :, None], action=jnp.asarray(action)[None, :, None])


PAIR = Batch(chosen=stretch([0.5, -1.0], [0.5, 0.0]), rejected=stretch([0.0, 0.0], [0.0, 1.0]))


def test_returns_and_margin_by_hand() -> None:
    # First member: tanh(1) + tanh(-1) = 0 against tanh(0) + tanh(1); second: tanh(0) + tanh(-1) against tanh(-1).
    found = stretch_returns(Linear(), PAIR.chosen.obs, PAIR.chosen.action)
    np.testing.assert_allclose(found, [[0.0, -np.tanh(1)]], atol=1e-6)
    np.testing.assert_allclose(stretch_margin({"reward": Linear()}, PAIR), [[-np.tanh(1), 0.0]], atol=1e-6)


def test_the_loss_by_hand_and_its_gradient() -> None:
    # One member, scale w: margin m = tanh(w) - tanh(0); loss log(1 + exp(-m)), slope -sigmoid(-m) (1 - tanh(w)^2).
    pair = Batch(chosen=stretch([1.0], [0.0]), rejected=stretch([0.0], [0.0]))
    learn = prefer(stretch_margin, lambda m: logistic_preference_loss(m, beta=1.0), name="preferred")

    def loss(w):
        return learn({"reward": lambda obs, action: w * obs}, pair, KEY)[0]

    m = np.tanh(0.5)
    value, slope = jax.value_and_grad(loss)(0.5)
    assert float(value) == pytest.approx(np.log(1 + np.exp(-m)))
    assert float(slope) == pytest.approx(-(1 - m**2) / (1 + np.exp(m)))


def test_a_pair_told_the_other_way_round_has_the_opposite_margin() -> None:
    turned = Batch(chosen=PAIR.rejected, rejected=PAIR.chosen)
    parts = {"reward": Linear()}
    np.testing.assert_allclose(stretch_margin(parts, turned), -stretch_margin(parts, PAIR))


def test_objectives_are_told_the_learned_reward_and_do_not_teach_it() -> None:
    rows = Batch(obs=jnp.array([[0.5], [0.0]]), action=jnp.array([[0.5], [1.0]]), reward=jnp.array([9.0, 9.0]))

    def total(parts, batch, key):
        return batch.reward.sum(), {}

    # Means over the two members: (tanh 1 + tanh 0) / 2, and (tanh 1 + tanh -1) / 2 = 0.
    assert float(judged(total)({"reward": Linear()}, rows, KEY)[0]) == pytest.approx(np.tanh(1) / 2)
    taught = jax.grad(lambda w: judged(total)({"reward": lambda obs, action: w * obs}, rows, KEY)[0])(0.5)
    assert float(taught) == 0
