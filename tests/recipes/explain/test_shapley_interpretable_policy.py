"""The mechanism: it is in the space of Shapley values that the choices part, and there alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.boundary import LinearChoice, boundary_of
from pilothouse.explain.coalitions import matching_answers, shares_of
from pilothouse.explain.shapley import all_coalitions
from pilothouse.recipes.explain.shapley_interpretable_policy import shapley_interpretable_policy

SPEC = Spec(Box((3,)), Discrete(2))
DRAW = np.random.default_rng(0)
# The first feature varies most and is not read; the choice is by the other two.
OBS = DRAW.normal(size=(20_000, 3)) * np.array([1.0, 0.3, 0.3])
TEACHER = LinearChoice(jnp.array([0.0, 1.0, 2.0]), jnp.array(0.05))


def test_the_rule_is_the_teachers_and_without_shapley_values_it_is_not() -> None:
    found = shapley_interpretable_policy(points=30, states=600, decimals=1).build(SPEC)(TEACHER, OBS)
    assert found.clusters > 0.98 and found.agreement > 0.85
    weight = np.asarray(found.policy.weight)
    assert abs(weight[0]) < 0.1 and 0.15 < weight[1] / weight[2] < 0.6
    # The baseline: the same clusters, border and plane of the states themselves.
    rows, counts = np.unique(np.round(OBS, 1), axis=0, return_counts=True)
    often = rows[np.argsort(-counts, kind="stable")[:600]]
    chosen = np.asarray(jax.vmap(lambda o: TEACHER(o, (), jax.random.key(0))[0])(jnp.asarray(often))) == 1
    assert boundary_of(often, often, chosen, points=30).agreement < 0.7


def test_answers_of_matching_rows_are_as_worked_by_hand() -> None:
    # Three rows, the last seen twice: (0, 0) says 1, (0, 1) says 0, (1, 1) says 0.
    rows, said, counts = np.array([[0, 0], [0, 1], [1, 1.0]]), np.array([[1.0], [0], [0]]), np.array([1.0, 1, 2])
    known = np.array([[False, False], [True, False], [False, True], [True, True]])
    found = matching_answers(said, rows, counts, known)[:, :, 0]
    # Nothing known: 1/4. The first feature: 1/2, 1/2, 0. The second: 1, 0 and 0 (two of them). Both: what was said.
    np.testing.assert_allclose(found, [[0.25, 0.5, 1, 1], [0.25, 0.5, 0, 0], [0.25, 0, 0, 0]])
    # Row (0, 0): its first feature is worth (1/4 + 0) / 2, its second (3/4 + 1/2) / 2; together 1 - 1/4.
    shares = shares_of(matching_answers(said, rows, counts, all_coalitions(2).known), all_coalitions(2))
    np.testing.assert_allclose(shares[0, 0], [0.125, 0.625])
    np.testing.assert_allclose(shares.sum(axis=2)[:, 0], said[:, 0] - 0.25)


def test_three_choices_are_refused() -> None:
    with pytest.raises(SpaceError, match="One hyperplane parts two choices"):
        shapley_interpretable_policy().build(Spec(Box((3,)), Discrete(3)))
