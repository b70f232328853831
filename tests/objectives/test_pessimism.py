"""Lower bounds on tables: by hand, against a slow twin, and truly below the exact values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.objectives.pessimism import (
    LowerTable,
    bound_residual,
    lower_action_values,
    lower_table,
    most_often,
    raised,
)

SPEC = Spec(Discrete(3), Discrete(2))
ROWS = Batch(
    obs=jnp.array([0, 0, 0, 0, 1]),
    action=jnp.array([1, 1, 1, 0, 0]),
    reward=jnp.array([1.0, 0.0, 1.0, 1.0, 0.0]),
    next_obs=jnp.array([1, 1, 2, 2, 2]),
    discount=jnp.array([0.5, 0.5, 0.5, 0.5, 0.0]),
)
TABLE = LowerTable(jnp.array([0.1, 0.4, 0.2]), jnp.array([0, 1, 0]), 2)


def test_lowered_values_by_hand() -> None:
    # Pair (0, 1), three rows: mean of 1 + 0.2, 0 + 0.2, 1 + 0.1 is 2.5 / 3, less 0.3 * 2 / sqrt(3). Pair (0, 0): 1.1 - 0.6.
    # Pair (1, 0) ended: 0 - 0.6. Pairs without rows: -0.6.
    found = lower_action_values(TABLE, ROWS, bonus=0.3, highest=2.0)
    expected = [[0.5, 2.5 / 3 - 0.6 / np.sqrt(3)], [-0.6, -0.6], [-0.6, -0.6]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_a_bonus_it_is_the_mean_of_the_data() -> None:
    found = np.asarray(lower_action_values(TABLE, ROWS, bonus=0.0, highest=2.0))
    for state in range(3):
        for action in range(2):
            own = (np.asarray(ROWS.obs) == state) & (np.asarray(ROWS.action) == action)
            target = np.asarray(ROWS.reward + ROWS.discount * TABLE.value[ROWS.next_obs])[own]
            np.testing.assert_allclose(found[state, action], target.mean() if own.any() else 0.0, rtol=1e-5)


def test_bounds_rise_and_never_fall_and_actions_go_with_them() -> None:
    lower = jnp.array([[0.3, 0.2], [0.39, 0.1], [0.1, 0.2]])
    after = raised(TABLE, lower)
    np.testing.assert_allclose(after.value, [0.3, 0.4, 0.2])
    np.testing.assert_array_equal(after.choice, [0, 1, 0])  # an equal bound exchanges nothing
    np.testing.assert_array_equal(raised(TABLE, lower + 0.1).choice, [0, 0, 1])
    np.testing.assert_array_equal(after(jnp.int32(1)), [0.0, 1.0])


def test_it_begins_with_what_was_done_most_often() -> None:
    begun = most_often(TABLE, ROWS)
    np.testing.assert_array_equal(begun.choice, [1, 0, 0])
    np.testing.assert_array_equal(begun.value, np.zeros(3))


def test_the_residual_is_the_mean_gap() -> None:
    found, _ = bound_residual()({"table": TABLE}, ROWS, jax.random.key(0))
    gaps = [1 + 0.2 - 0.1, 0.2 - 0.1, 1.1 - 0.1, 1.1 - 0.1, 0 - 0.4]
    np.testing.assert_allclose(found, np.mean(gaps), rtol=1e-5)


@pytest.mark.parametrize("spec", [Spec(Box((2,)), Discrete(2)), Spec(Discrete(2), Box((1,), -1.0, 1.0))])
def test_only_tables_have_tables(spec: Spec) -> None:
    with pytest.raises(SpaceError, match="Discrete observations and actions"):
        lower_table(spec)
    assert lower_table(SPEC)(jax.random.key(0)).value.shape == (3,)
