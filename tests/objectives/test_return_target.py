import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError
from pilothouse.networks.distributions import Categorical
from pilothouse.objectives.return_target import return_target_loss, return_to_go, towards_return
from pilothouse.objectives.terms import Evaluated


def test_return_to_go_by_hand() -> None:
    # Episodes of rewards 1, 2, 3 and 5, 7 (the third row is after its end). To go: 6, 5, 3 and 12, 7, 0.
    # Means at each step: 9, 6, and 3 of the one that is left, from which nothing is learned.
    reward = jnp.array([[1.0, 5.0], [2.0, 7.0], [3.0, 9.0]])
    valid = jnp.array([[True, True], [True, True], [True, False]])
    to_go, advantage = return_to_go(reward, valid)
    np.testing.assert_allclose(to_go, [[6, 12], [5, 7], [3, 0]])
    np.testing.assert_allclose(advantage, [[-3, 3], [-1, 1], [0, 0]])


def test_loss_by_hand() -> None:
    # Twice gap times advantage: 2 * 10 * 3 = 60 a unit of log-probability, at log-probability -0.5 a loss of -30.
    log_prob, advantage, gap = jnp.array([-0.5, -0.5]), jnp.array([3.0, 3.0]), jnp.array([10.0, -10.0])
    np.testing.assert_allclose(return_target_loss(log_prob, advantage, gap), [-30.0, 30.0])
    slope = jax.grad(lambda *x: return_target_loss(*x).sum(), argnums=(0, 1, 2))(log_prob, advantage, gap)
    # Above the target what brought more becomes less likely (descent goes down its log-probability), below it more.
    np.testing.assert_allclose(slope[0], [60.0, -60.0])
    assert not slope[1].any() and not slope[2].any()


@given(logit=st.floats(-2, 2), target=st.floats(-5, 5))
def test_its_gradient_is_that_of_the_squared_distance(logit: float, target: float) -> None:
    """A bandit of rewards 3 and -1: the expected gradient of the loss is that of (J - target) squared."""
    reward = jnp.array([3.0, -1.0])

    def mean_return(x):
        return (jax.nn.softmax(jnp.array([0.0, 0.0]).at[0].set(x)) * reward).sum()

    def expected(x):
        log_probs = jax.nn.log_softmax(jnp.array([0.0, 0.0]).at[0].set(x))
        gap = jnp.full(2, mean_return(x) - target)
        loss = return_target_loss(log_probs, reward - mean_return(x), gap)
        return (jax.lax.stop_gradient(jnp.exp(log_probs)) * loss).sum()

    squared = jax.grad(lambda x: (mean_return(x) - target) ** 2)(logit)
    assert float(jax.grad(expected)(logit)) == pytest.approx(float(squared), rel=1e-3, abs=1e-4)


def test_a_rollout_without_a_gap_is_refused() -> None:
    said = Evaluated(Categorical(jnp.zeros((1, 2))), jnp.zeros(1))
    with pytest.raises(WiringError, match="gap"):
        towards_return(said, Batch(advantage=jnp.zeros(1)))
