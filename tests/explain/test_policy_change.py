import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.explain.policy_change import policy_change
from pilothouse.networks.distributions import Categorical

OLD = jnp.log(jnp.array([[0.5, 0.5], [0.8, 0.2], [0.8, 0.2]]))
NEW = jnp.log(jnp.array([[0.5, 0.5], [0.2, 0.8], [0.6, 0.4]]))


def old(obs):
    return Categorical(OLD[obs])


def new(obs):
    return Categorical(NEW[obs]), jnp.zeros(())  # an agent, with a value


def test_a_change_by_hand() -> None:
    # KL: 0; 0.8 ln 4 - 0.2 ln 4 = 0.83178; 0.8 ln (4/3) + 0.2 ln (1/2) = 0.23015 - 0.13863 = 0.09152.
    change = policy_change(old, new, jnp.arange(3), top=2)
    assert float(change.divergence) == pytest.approx((0.83178 + 0.09152) / 3, abs=1e-5)
    assert float(change.switched) == pytest.approx(1 / 3)
    assert change.where.tolist() == [1, 2]
    np.testing.assert_allclose(change.there, [0.83178, 0.09152], atol=1e-5)


def test_rows_that_are_not_valid_count_nothing_and_nothing_changed_is_nothing() -> None:
    change = policy_change(old, new, jnp.arange(3), valid=jnp.array([True, False, True]), top=1)
    assert float(change.divergence) == pytest.approx(0.09152 / 2, abs=1e-5) and float(change.switched) == 0
    assert change.where.tolist() == [2]
    same = policy_change(old, old, jnp.arange(3))
    assert float(same.divergence) == float(same.switched) == 0 and (same.there == 0).all()
