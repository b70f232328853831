"""Values of two groups: the sum in the foreground, the shared one elsewhere, and nobody sees the group."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.critics import QNetwork
from pilothouse.networks.nested import NestedQ, in_foreground, without_group

SPEC = Spec(Box((2,), 0.0, 1.0), Discrete(2))


def linear(weights: list[float]) -> QNetwork:
    made = QNetwork(without_group(SPEC), 4, 0, key=jax.random.key(0))
    layer = made.body.layers[0]
    return eqx.tree_at(
        lambda net: (net.body.layers[0].weight, net.body.layers[0].bias),
        made,
        (jnp.array([weights]), jnp.zeros_like(layer.bias)),
    )


def test_the_foreground_has_its_own_on_top() -> None:
    shared, own = linear([1.0, 2.0]), linear([10.0, -10.0])
    back, front = jnp.array([0.5, 0.0]), jnp.array([0.5, 1.0])
    both = NestedQ(shared, own)
    np.testing.assert_allclose(both(back), [0.5, 1.0])
    np.testing.assert_allclose(both(front), [5.5, -4.0])
    apart = NestedQ(shared, own, nested=False)
    np.testing.assert_allclose(apart(back), [0.5, 1.0])
    np.testing.assert_allclose(apart(front), [5.0, -5.0])
    np.testing.assert_allclose(NestedQ(shared)(front), [0.5, 1.0])
    slopes = eqx.filter_grad(lambda net: net(back).sum())(both)
    assert not jnp.any(slopes.own.body.layers[0].weight)  # background rows say nothing of what is the foreground's own


def test_a_label_is_above_zero_in_the_foreground_standardised_or_not() -> None:
    labels = np.array([0.0, 0, 0, 1])
    for shown in (labels, (labels - labels.mean()) / labels.std()):
        rows = np.stack([np.ones(4), shown], axis=1).astype(np.float32)
        np.testing.assert_array_equal(in_foreground(jnp.asarray(rows)), labels == 1)


def test_a_group_is_the_last_of_several_entries() -> None:
    assert without_group(SPEC) == Spec(Box((1,), 0.0, 1.0), Discrete(2))
    with pytest.raises(SpaceError, match="two or more entries"):
        without_group(Spec(Box((1,)), Discrete(2)))
