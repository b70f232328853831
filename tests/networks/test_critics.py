"""Critics by hand: members that are strangers to each other, and actions that matter."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks import critics

KEY = jax.random.key(0)
SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
CHOICES = Spec(Box((2,)), Discrete(3))


def test_two_members_by_hand() -> None:
    twin = critics.twin_critic(SPEC, 4, 0)(KEY)  # depth 0: a linear function of (obs, action)
    twin = eqx.tree_at(
        lambda c: (c.stack.members.layers[0].weight, c.stack.members.layers[0].bias),
        twin,
        (jnp.array([[[1.0], [10.0], [100.0]], [[-1.0], [0.0], [2.0]]]), jnp.array([[0.5], [0.0]])),
    )
    obs, action = jnp.array([1.0, 2.0]), jnp.array([3.0])
    # 1 + 20 + 300 + 0.5, and -1 + 6; the slope in the action is each member's own.
    np.testing.assert_allclose(twin(obs, action), [321.5, 5.0])
    np.testing.assert_allclose(jax.jacobian(lambda a: twin(obs, a))(action), [[100.0], [2.0]])
    # Where the critic is made for choices they enter as one-hot: the third choice reads the last weight.
    chooser = critics.ensemble_critic(CHOICES, 1, 4, 0)(KEY)
    weight = jnp.array([[[1.0], [10.0], [7.0], [8.0], [9.0]]])
    chooser = eqx.tree_at(
        lambda c: (c.stack.members.layers[0].weight, c.stack.members.layers[0].bias),
        chooser,
        (weight, jnp.zeros((1, 1))),
    )
    np.testing.assert_allclose(chooser(obs, jnp.int32(2)), [21 + 9])


@pytest.mark.parametrize("count", [2, critics.UNROLLED + 1])
def test_members_are_independent_however_they_are_applied(count: int) -> None:
    stack = critics.Stack(count, 3, 2, 4, 1, key=KEY)
    x = jnp.array([1.0, -1.0, 0.5])
    found = stack(x)
    alone = [jax.tree.map(lambda leaf, i=i: leaf[i], stack.members)(x) for i in range(count)]
    np.testing.assert_allclose(found, jnp.stack(alone), rtol=1e-5, atol=1e-6)
    assert len(np.unique(np.round(np.asarray(found), 6))) == 2 * count
    grads: Any = jax.grad(lambda s: s(x)[1].sum())(stack)
    for leaf in jax.tree.leaves(grads):
        assert np.any(leaf[1]) and not np.any(np.delete(np.asarray(leaf), 1, axis=0))


def test_values_of_all_choices_and_of_states() -> None:
    obs = jnp.array([1.0, 2.0])
    network = critics.q_network(CHOICES, 4, 0)(KEY)
    network = eqx.tree_at(
        lambda n: (n.body.layers[0].weight, n.body.layers[0].bias),
        network,
        (jnp.array([[1.0, 2.0, 3.0], [10.0, 0.0, -1.0]]), jnp.array([0.0, 0.5, 0.0])),
    )
    np.testing.assert_allclose(network(obs), [21, 2.5, 1])
    both = critics.twin_q_network(CHOICES, 4, 1)(KEY)(obs)
    assert both.shape == (2, 3) and np.all(both[0] != both[1])
    value = critics.state_value(SPEC, 4, 0)(KEY)
    value = eqx.tree_at(
        lambda n: (n.body.layers[0].weight, n.body.layers[0].bias),
        value,
        (jnp.array([[3.0], [4.0]]), jnp.array([-1.0])),
    )
    np.testing.assert_allclose(value(obs), 3 + 8 - 1)
    assert jax.vmap(value)(jnp.ones((5, 2))).shape == (5,)


def test_one_value_an_action_needs_choices() -> None:
    for make in (critics.q_network, critics.twin_q_network):
        with pytest.raises(SpaceError, match="twin_critic"):
            make(SPEC)
