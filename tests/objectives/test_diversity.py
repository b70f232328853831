"""EDAC's alignment by hand, and its laws."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.critics import ensemble_critic
from pilothouse.objectives.diversity import action_gradients_apart, alignment

KEY = jax.random.key(0)


def test_by_hand_and_at_the_ends() -> None:
    # Cosines 0, 1/sqrt 2 and 1/sqrt 2, each twice, over 3 - 1.
    three = jnp.array([[1.0, 0.0], [0.0, 5.0], [2.0, 2.0]])
    np.testing.assert_allclose(alignment(three), 2 * np.sqrt(2) / 2, rtol=1e-5)
    np.testing.assert_allclose(alignment(jnp.array([[1.0, 2.0], [3.0, 6.0]])), 2.0, rtol=1e-5)
    np.testing.assert_allclose(alignment(jnp.array([[1.0, 2.0], [-2.0, -4.0]])), -2.0, rtol=1e-5)
    # Lengths do not count, and a gradient of 0 neither counts nor spoils.
    np.testing.assert_allclose(alignment(three * jnp.array([[3.0], [0.1], [7.0]])), alignment(three), rtol=1e-5)
    slope = jax.grad(lambda x: alignment(x))(jnp.zeros((3, 2)))
    assert np.isfinite(np.asarray(slope)).all()


def test_a_critic_s_gradients_are_those_of_its_members_and_descent_parts_them() -> None:
    spec = Spec(Box((2,)), Box((2,), -1.0, 1.0))
    critic = ensemble_critic(spec, 5, 8, 1)(KEY)
    obs, action = jnp.array([0.3, -1.0]), jnp.array([0.2, 0.7])
    whole = jax.jacobian(lambda a: critic(obs, a))(action)
    np.testing.assert_allclose(critic.action_gradients(obs, action), whole, rtol=1e-5, atol=1e-6)
    rows = Batch(obs=jnp.stack([obs, -obs]), action=jnp.stack([action, -action]))

    def loss(critic):  # noqa: ANN001
        return action_gradients_apart({"critic": critic}, rows, KEY)[0]

    first, slope = jax.value_and_grad(loss)(critic)
    assert loss(jax.tree.map(lambda x, g: x - 0.1 * g, critic, slope)) < first
