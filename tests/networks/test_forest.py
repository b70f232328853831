"""Forests as arrays: what scikit-learn's own prediction is, row for row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from pilothouse.networks.forest import Forest, even_forest, forest_of


def test_a_tree_by_hand() -> None:
    # Root: entry 1 at most 0.5 goes left, to the leaf 0.2 / 0.8; else right, to the leaf 1 / 0.
    tree = Forest(
        jnp.array([[1, 0, 0]]),
        jnp.array([[0.5, 0.0, 0.0]]),
        jnp.array([[1, 1, 2]]),
        jnp.array([[2, 1, 2]]),
        jnp.array([[[0.0, 0.0], [0.2, 0.8], [1.0, 0.0]]]),
    )
    np.testing.assert_allclose(tree(jnp.array([9.0, 0.5])), [0.2, 0.8])
    np.testing.assert_allclose(tree(jnp.array([-9.0, 0.500001])), [1.0, 0.0])


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_it_says_what_scikit_learn_says(kind) -> None:
    draw = np.random.default_rng(0)
    # Few distinct float32 values, so that thresholds lie between neighbours and rounding would show.
    x = np.float32(1) + draw.integers(0, 6, (60, 3)).astype(np.float32) * np.finfo(np.float32).eps
    y = np.array([0, 2])[(x[:, 0] + x[:, 1] > 2 + 5e-7).astype(int)]  # class 1 is never seen
    grown = kind(n_estimators=7, random_state=0).fit(x, y)
    forest = forest_of([one.tree_ for one in grown.estimators_], grown.classes_.tolist(), 119, 3)
    said = np.asarray(jax.vmap(forest)(jnp.asarray(x)))
    np.testing.assert_allclose(said[:, [0, 2]], grown.predict_proba(x), atol=1e-6)
    np.testing.assert_array_equal(said[:, 1], 0.0)


def test_before_anything_is_grown_all_outputs_are_even_and_a_tree_must_fit_its_room() -> None:
    np.testing.assert_allclose(even_forest(2, 3, 4)(jax.random.key(0))(jnp.zeros(5)), 0.25)
    grown = RandomForestClassifier(n_estimators=1, random_state=0).fit(np.eye(8), np.arange(8))
    with pytest.raises(ValueError, match="does not fit a room of 3"):
        forest_of([grown.estimators_[0].tree_], range(8), 3, 8)
