"""A misled victim, by hand; and weights of states, by the gradient through the adversary's step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.targeted import act_as_intended, misled_actions, state_weights, weigh_what_matters

KEY = jax.random.key(0)


class Slope(eqx.Module):
    """A deterministic actor of one number: `slope` times the observation."""

    slope: jax.Array

    def __call__(self, obs):
        return Deterministic(self.slope * obs)


class ByState(eqx.Module):
    """A number for each of two states, told apart by their first entry: at 1 the first, at 2 the second."""

    values: jax.Array

    def of(self, obs):
        return jnp.where(obs[0] < 1.5, self.values[0], self.values[1])


class Moves(ByState):
    def __call__(self, obs):
        return Deterministic(self.of(obs)[None])


class Weights(ByState):
    def __call__(self, obs):
        return self.of(obs)


class Push(eqx.Module):
    """An adversary that makes the same move everywhere."""

    push: jax.Array

    def __call__(self, obs):
        return Deterministic(self.push[None])


class Aimed(eqx.Module):
    """The action 3 at the first state, -3 at the second."""

    def __call__(self, obs):
        return Deterministic(jnp.where(obs[:1] < 1.5, 3.0, -3.0))


BATCH = Batch(obs=jnp.array([[1.0], [2.0]]))


def worth(obs, action):
    """A critic: at the first state an action is worth itself, at the second nothing is worth anything."""
    return jnp.where(obs[0] < 1.5, action[0], 0.0) + jnp.array([0.0, 5.0])


def parts(outputs=(0.0, 0.0), push: float = 0.0):
    return {
        "victim/actor": Slope(jnp.asarray(2.0)),
        "actor": Aimed(),
        "adversary": Push(jnp.asarray(push)),
        "weigher": Weights(jnp.asarray(outputs)),
        "critic": worth,
    }


def test_what_the_victim_is_made_to_do_by_hand() -> None:
    # Shown 1 + 0.1 * 1 and 2 + 0.1 * -1, doubled.
    done = misled_actions(Slope(jnp.asarray(2.0)), Moves(jnp.array([1.0, -1.0])), BATCH.obs, 0.1)
    np.testing.assert_allclose(done, [[2.2], [3.8]], rtol=1e-6)


def test_weights_lie_within_the_spread_and_without_one_are_even() -> None:
    found = state_weights(Weights(jnp.array([0.5, -90.0])), BATCH.obs, 0.4)
    np.testing.assert_allclose(found, [1 + 0.4 * np.tanh(0.5), 0.6], rtol=1e-6)
    np.testing.assert_array_equal(state_weights(Weights(jnp.array([0.5, -90.0])), BATCH.obs, 0.0), 1.0)


def test_the_adversarys_loss_by_hand_and_its_gradient() -> None:
    # Actions 2 + 0.2 p and 4 + 0.2 p, aims 3 and -3: at p = 0 squares of 1 and 49, weighed 1 + tanh(1) and 1.
    # By p: 2 * 0.2 * (-1 * w + 7 * 1) / 2.
    w = 1 + np.tanh(1)
    loss, aux = act_as_intended(0.1, 1.0)(parts((1.0, 0.0)), BATCH, KEY)
    assert float(loss) == pytest.approx((w * 1 + 49) / 2)
    assert float(aux["adversary/distance"]) == pytest.approx(25)

    def of(push):
        return act_as_intended(0.1, 1.0)({**parts((1.0, 0.0)), "adversary": Push(push)}, BATCH, KEY)[0]

    assert float(jax.grad(of)(jnp.asarray(0.0))) == pytest.approx(0.2 * (-w + 7))


def test_what_a_state_weighs_by_hand_and_its_gradient() -> None:
    # One step by 0.5 moves p by -0.5 * 0.2 * (-w + 7 v) = 0.1 w - 0.7 v. The mean of the lower member is half of the first
    # state's action, (2 + 0.2 p) / 2. So the loss is -1 - 0.01 w + 0.07 v: the state where the aim is worth something
    # should weigh more, and the one that pulls the adversary the other way less.
    def of(outputs):
        return weigh_what_matters(0.5, 0.1, 1.0)({**parts(), "weigher": Weights(outputs)}, BATCH, KEY)[0]

    at = jnp.array([0.3, -0.2])
    w, v = 1 + np.tanh(at)
    assert float(of(at)) == pytest.approx(-1 - 0.01 * w + 0.07 * v)
    slopes = (1 - np.tanh(at) ** 2) * np.array([-0.01, 0.07])
    np.testing.assert_allclose(jax.grad(of)(at), slopes, rtol=1e-4)


def test_without_a_spread_there_is_nothing_to_learn_of_weights() -> None:
    def of(outputs):
        return weigh_what_matters(0.5, 0.1, 0.0)({**parts(), "weigher": Weights(outputs)}, BATCH, KEY)[0]

    np.testing.assert_array_equal(jax.grad(of)(jnp.array([0.3, -0.2])), 0.0)
