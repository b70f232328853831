"""Selections, finiteness and names of leaves."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core import trees


def test_a_selection_aligns_with_the_leading_axes() -> None:
    yes = {"a": jnp.ones((3, 2)), "b": jnp.ones(3), "key": jax.random.split(jax.random.key(0), 3)}
    no = {"a": jnp.zeros((3, 2)), "b": jnp.zeros(3), "key": jax.random.split(jax.random.key(1), 3)}
    picked = trees.where(jnp.array([True, False, True]), yes, no)
    np.testing.assert_array_equal(picked["a"], [[1, 1], [0, 0], [1, 1]])
    np.testing.assert_array_equal(picked["b"], [1, 0, 1])
    for row, source in enumerate((yes, no, yes)):
        assert picked["key"][row] == source["key"][row]


@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=5),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_one_bad_number_anywhere_is_found(values: list[float], bad: float) -> None:
    tree = {"x": jnp.asarray(values, jnp.float32), "n": jnp.array([3]), "text": "left alone"}
    assert bool(trees.all_finite(tree))
    for index in range(len(values)):
        spoilt = {**tree, "x": tree["x"].at[index].set(bad)}
        assert not bool(trees.all_finite(spoilt))
    assert bool(trees.all_finite({"only": jnp.array([1, 2])})) and bool(trees.all_finite(()))


def test_infinities_that_cancel_are_found() -> None:
    assert not bool(trees.all_finite(jnp.array([np.inf, -np.inf])))


def test_strengthened_leaves_are_typed_and_their_own() -> None:
    shared = jnp.ones(2)
    weak = jnp.asarray(1.0) * 1
    found = trees.strengthen({"a": shared, "b": shared, "c": weak, "d": 2.0})
    assert found["a"] is not found["b"]
    assert found["a"].unsafe_buffer_pointer() != found["b"].unsafe_buffer_pointer()
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(found))


def test_leaves_have_readable_names_in_the_order_of_the_tree() -> None:
    tree = {"actor": [jnp.zeros(1), {"weight": jnp.ones(1)}], "step": jnp.array(2)}
    found = trees.named_leaves(tree)
    assert list(found) == ["actor/0", "actor/1/weight", "step"]
    assert all(a is b for a, b in zip(found.values(), jax.tree.leaves(tree), strict=True))
