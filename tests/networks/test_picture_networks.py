"""Networks that look at pictures: sizes, refusals, and guided backpropagation by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.encoders import ConvolutionalNet
from pilothouse.networks.mlp import MLP
from pilothouse.networks.pictures import Through, guided, picture_values

KEY = jax.random.key(0)
PICTURE = Box((8, 8, 2), 0, 255, "uint8")


def test_values_of_pictures_have_the_sizes_asked_for():
    values = picture_values(Spec(PICTURE, Discrete(3)), 4, 5, 6, 1)(KEY)
    assert values(jnp.zeros((8, 8, 2), jnp.uint8)).shape == (3,)
    assert isinstance(values.encoder, ConvolutionalNet) and isinstance(values.head, MLP)
    assert [kernel.shape for kernel in values.encoder.kernels] == [(3, 3, 2, 4)]  # 4 by 4 are left: no second layer
    assert values.encoder.dense.bias.shape == (5,) and values.head.layers[0].weight.shape == (5, 6)


def test_other_observations_and_actions_are_refused():
    with pytest.raises(SpaceError, match="must be one picture"):
        picture_values(Spec(Box((4,)), Discrete(2)))
    with pytest.raises(SpaceError, match="has Box ones"):
        picture_values(Spec(PICTURE, Box((1,))))


def test_guided_gradients_by_hand():
    """Two inputs, three hidden units, one output: a unit that is closed, or speaks against the output, passes nothing."""
    net = MLP(2, 1, 3, 1, key=KEY)
    net = eqx.tree_at(
        lambda n: (n.layers[0].weight, n.layers[0].bias, n.layers[1].weight),
        net,
        (jnp.array([[1.0, 2.0, -5.0], [-3.0, 1.0, 0.0]]), jnp.zeros(3), jnp.array([[2.0], [-4.0], [7.0]])),
    )
    x = jnp.array([1.0, 0.1])  # hidden 0.7, 2.1, -5: open, open, closed
    # All open units: 2 * (1, -3) - 4 * (2, 1) = (-6, -10). Guided: the second speaks against, so 2 * (1, -3).
    np.testing.assert_allclose(jax.grad(lambda x: net(x)[0])(x), [-6, -10], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: guided(net)(x)[0])(x), [2, -6], rtol=1e-6)
    np.testing.assert_allclose(guided(net)(x), net(x), rtol=1e-6)  # what it says is the same
    assert net.activation is jax.nn.relu  # and the network itself is as it was


def test_guiding_reaches_both_nets_and_no_other_activation():
    net = Through(ConvolutionalNet((8, 8, 1), 4, (3,), key=KEY), MLP(4, 1, 4, 1, jnp.tanh, key=KEY))
    found = guided(net)
    assert found.encoder.activation is not jax.nn.relu and found.head.activation is jnp.tanh
    assert eqx.tree_equal(jax.tree.leaves(found), jax.tree.leaves(net))
