"""Relations by hand, and a layer that hears of nodes by where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.networks.scene_graph import REACH, RELATIONS, RelationalLayer, relations


def kind(right: int, up: int) -> int:
    """The number of a relation."""
    return (right + REACH) * (2 * REACH + 1) + up + REACH


def test_relations_say_where_a_node_is_from_another_up_to_their_reach() -> None:
    cells = jnp.array([[[0.0, 0.0], [1.0, -1.0], [-3.0, 2.0], [0.0, 0.0]]])
    found = np.asarray(relations(cells, jnp.array([[True, True, True, False]])))
    assert found.shape == (1, 4, 4, RELATIONS)
    assert found[0, 0, 1].argmax() == kind(1, -1)
    assert found[0, 1, 0].argmax() == kind(-1, 1)  # seen from the other, it is the other way round
    assert found[0, 0, 2].argmax() == kind(-2, 2)  # three to the left are as far as two
    assert found[0, 0, 0].argmax() == kind(0, 0)
    np.testing.assert_array_equal(found.sum(axis=-1)[0, :3, :3], 1.0)
    np.testing.assert_array_equal(found[0, 3], 0.0)
    np.testing.assert_array_equal(found[0, :, 3], 0.0)


@pytest.fixture
def layer() -> RelationalLayer:
    """Two bases of one entry: what is one to the right counts 2 * 5 + 3 * 7 = 31, what is there itself -5; all else nothing."""
    made = RelationalLayer(1, 2, key=jax.random.key(0))
    mixture = (
        jnp.zeros((RELATIONS, 2)).at[kind(1, 0)].set(jnp.array([2.0, 3.0])).at[kind(0, 0)].set(jnp.array([-1.0, 0.0]))
    )
    return jax.tree.unflatten(jax.tree.structure(made), [jnp.array([[10.0]]), mixture, jnp.array([[[5.0]], [[7.0]]])])


def test_a_relational_layer_and_its_gradient_by_hand(layer: RelationalLayer) -> None:
    # Nodes of 1, 4 and 9 at cells 0, 1 and 5 of a row. The first hears of the second, one to its right, and of itself:
    # 10 * 1 + 31 * 4 - 5 * 1 = 129. The second hears of itself (the first is to its left): 10 * 4 - 5 * 4 = 20.
    kinds = relations(jnp.array([[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]]), jnp.ones((1, 3), bool))

    def first(x: jax.Array) -> jax.Array:
        return layer(x[None, :, None], x[None, :, None], kinds)[0, 0, 0]

    x = jnp.array([1.0, 4.0, 9.0])
    said = layer(x[None, :, None], x[None, :, None], kinds)[0, :, 0]
    np.testing.assert_allclose(said, [129.0, 20.0, 45.0])
    np.testing.assert_allclose(jax.grad(first)(x), [5.0, 31.0, 0.0])


def test_a_fresh_layer_hears_nodes_as_they_are() -> None:
    # The matrices begin as the identity: what is heard of a node is a multiple of it, whatever the relation.
    made = RelationalLayer(4, key=jax.random.key(1))
    x = jax.random.normal(jax.random.key(2), (1, 2, 4))
    kinds = relations(jnp.array([[[0.0, 0.0], [1.0, 1.0]]]), jnp.array([[True, True]]))
    heard = made(x[:, :1], x[:, 1:], kinds[:, :1, 1:])[0, 0] - x[0, 0]
    ratio = heard / x[0, 1]
    np.testing.assert_allclose(ratio, np.full(4, ratio[0]), rtol=1e-4)
    assert abs(float(ratio[0])) > 1e-3
