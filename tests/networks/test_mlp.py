"""Dense layers by hand, and how they begin."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.networks.mlp import MLP, LayerNorm, Linear

KEY = jax.random.key(0)


def test_a_dense_layer_by_hand() -> None:
    layer = Linear(2, 3, key=KEY)
    assert layer.weight.shape == (2, 3)
    layer = eqx.tree_at(
        lambda m: (m.weight, m.bias), layer, (jnp.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), jnp.array([0.5, 0, -1]))
    )
    # (1, 2) times the weights: 1 + 20, 2 + 40, 3 + 60; then the bias.
    np.testing.assert_allclose(layer(jnp.array([1.0, 2.0])), [21.5, 42.0, 62.0])
    np.testing.assert_allclose(layer(jnp.ones((4, 5, 2)))[3, 4], [11.5, 22.0, 32.0])  # leading axes pass through


def test_a_perceptron_by_hand_has_no_activation_at_its_end() -> None:
    network = MLP(1, 1, 2, 1, key=KEY)
    weights = (jnp.array([[1.0, -1.0]]), jnp.zeros(2), jnp.array([[-2.0], [3.0]]), jnp.array([0.5]))
    network = eqx.tree_at(
        lambda m: (m.layers[0].weight, m.layers[0].bias, m.layers[1].weight, m.layers[1].bias), network, weights
    )
    # relu(x, -x): at 2 it is (2, 0), so -4 + 0.5; at -2 it is (0, 2), so 6 + 0.5.
    np.testing.assert_allclose([network(jnp.array([2.0]))[0], network(jnp.array([-2.0]))[0]], [-3.5, 6.5])
    np.testing.assert_allclose(jax.grad(lambda x: network(x)[0])(jnp.array([2.0])), [-2.0])


def test_normalisation_by_hand_comes_before_the_activation() -> None:
    norm = LayerNorm(2)
    np.testing.assert_allclose(norm(jnp.array([1.0, 5.0])), [-1, 1], atol=1e-5)  # mean 3, deviation 2
    np.testing.assert_allclose(norm(jnp.array([7.0, 7.0])), [0, 0])  # finite without spread
    network = MLP(1, 2, 2, 1, layer_norm=True, key=KEY)
    network = eqx.tree_at(
        lambda m: (m.layers[0].weight, m.layers[0].bias, m.layers[1].weight, m.layers[1].bias),
        network,
        (jnp.array([[1.0, 5.0]]), jnp.zeros(2), jnp.eye(2), jnp.zeros(2)),
    )
    # (1, 5) -> (-1, 1) -> relu (0, 1); the other order would give (-1, 1).
    np.testing.assert_allclose(network(jnp.ones(1)), [0.0, 1.0], atol=1e-5)
    np.testing.assert_allclose(network(jnp.array([40.0])), [0.0, 1.0], atol=1e-5)  # size does not matter


@pytest.mark.parametrize(("inputs", "bound", "limit"), [(100, None, 0.1), (100, 3e-3, 3e-3), (4, None, 0.5)])
def test_uniform_weights_fill_their_bound(inputs: int, bound: float | None, limit: float) -> None:
    layer = Linear(inputs, 200, bound=bound, key=KEY)
    for values in (layer.weight, layer.bias):
        assert 0.95 * limit < float(jnp.abs(values).max()) <= limit
        # The variance of a uniform number within +-limit is limit² / 3.
        np.testing.assert_allclose(values.mean(), 0, atol=5 * limit / np.sqrt(3 * values.size))
    np.testing.assert_allclose(jnp.var(layer.weight), limit**2 / 3, rtol=0.1)


def test_gains_and_scales_reach_their_own_layers() -> None:
    network = MLP(6, 3, 6, 2, orthogonal=2.0, final_scale=0.01, key=KEY)
    *hidden, final = network.layers
    for layer in hidden:
        np.testing.assert_allclose(layer.weight.T @ layer.weight, 4.0 * np.eye(6), atol=1e-3)
    np.testing.assert_allclose(final.weight.T @ final.weight, 1e-4 * np.eye(3), atol=1e-7)
    assert not any(np.any(layer.bias) for layer in network.layers)
    plain = MLP(6, 3, 6, 1, final_scale=1e-3, key=KEY)
    assert float(jnp.abs(plain.layers[-1].weight).max()) <= 1e-3 < float(jnp.abs(plain.layers[0].weight).max())
    np.testing.assert_allclose(
        jnp.linalg.norm(MLP(6, 1, 6, 1, orthogonal=1.0, key=KEY).layers[-1].weight), 1.0, rtol=1e-3
    )


def test_layers_differ_and_depth_counts_hidden_layers() -> None:
    network = MLP(4, 4, 4, 3, layer_norm=True, key=KEY)
    assert [layer.weight.shape for layer in network.layers] == [(4, 4)] * 4 and len(network.norms) == 3
    first, *others = (layer.weight for layer in network.layers)
    assert all(np.any(first != other) for other in others)
    assert [layer.weight.shape for layer in MLP(4, 2, 9, 0, key=KEY).layers] == [(4, 2)]
    assert all(eqx.is_array(leaf) for leaf in jax.tree.leaves(network))
