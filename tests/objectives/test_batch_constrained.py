import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Categorical
from pilothouse.objectives.batch_constrained import bcq_td, eligible
from pilothouse.objectives.temporal_difference import double_dqn_td
from pilothouse.policies.batch_constrained import BatchConstrained

CRITIC = jnp.array([[1.0, 2.0, 9.0], [0.0, 0.0, 0.0]])
SLOW = jnp.array([[5.0, 6.0, 7.0], [0.0, 0.0, 0.0]])
CLONED = jnp.log(jnp.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]))


def batch() -> Batch:
    # From state 1 by action 0 to state 0, with a reward of 1 and a discount of one half.
    return Batch(
        obs=jnp.array([1]), action=jnp.array([0]), next_obs=jnp.array([0]), reward=jnp.array([1.0]),
        discount=jnp.array([0.5]),
    )  # fmt: skip


def parts(critic=CRITIC):
    return {
        "critic": lambda obs: critic[obs],
        "critic/slow": lambda obs: SLOW[obs],
        "actor": lambda obs: Categorical(CLONED[obs]),
    }


def test_eligible_by_hand() -> None:
    # Over the likeliest: 1, 1/2, 1/6; and 1/3, 1/3, 1.
    assert eligible(CLONED, 0.3).tolist() == [[True, True, False], [True, True, True]]
    assert eligible(CLONED, 0.55).tolist() == [[True, False, False], [False, False, True]]
    assert eligible(CLONED, 1.0).tolist() == [[True, False, False], [False, False, True]]


@given(
    probabilities=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6),
    low=st.floats(0.0, 1.0),
    high=st.floats(0.0, 1.0),
)
def test_a_higher_threshold_lets_fewer_through_and_always_one(probabilities, low, high) -> None:
    log_probs = jax.nn.log_softmax(jnp.log(jnp.array(probabilities)))
    low, high = sorted((low, high))
    few, many = np.asarray(eligible(log_probs, high)), np.asarray(eligible(log_probs, low))
    assert few.any() and (few <= many).all()
    assert np.asarray(eligible(log_probs, 0.0)).all()


def test_target_by_hand() -> None:
    # The live critic likes action 2 best, which the data hardly hold: action 1 is taken, of slow value 6, and the target
    # is 1 + 0.5 * 6 = 4. The prediction is 0: Huber's 4 - 0.5 = 3.5, and its slope -1.
    loss, _ = bcq_td(0.3)(parts(), batch(), jax.random.key(0))
    assert float(loss) == pytest.approx(3.5)
    slope = jax.grad(lambda critic: bcq_td(0.3)(parts(critic), batch(), jax.random.key(0))[0])(CRITIC)
    np.testing.assert_allclose(slope, [[0, 0, 0], [-1, 0, 0]])
    # Held by nothing it is double Q-learning: 1 + 0.5 * 7 = 4.5.
    free, _ = bcq_td(0.0)(parts(), batch(), jax.random.key(0))
    assert float(free) == pytest.approx(4.0) == float(double_dqn_td()(parts(), batch(), jax.random.key(0))[0])


def test_acting_by_hand() -> None:
    def act(threshold: float) -> int:
        policy = BatchConstrained(parts()["actor"], parts()["critic"], threshold)
        return int(policy(0, (), jax.random.key(0))[0])

    assert [act(threshold) for threshold in (0.0, 0.3, 0.55)] == [2, 1, 0]
