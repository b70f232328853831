"""Actions that nobody can take, and what they are worth."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.infeasible_actions import infeasible, infeasible_values

KEY = jax.random.key(0)


def test_they_lie_beyond_the_guard_on_either_side() -> None:
    drawn = np.asarray(infeasible((2000, 2), 10.0, KEY))
    assert np.abs(drawn).min() >= 10.0 and np.abs(drawn).max() <= 20.0
    assert abs((drawn > 0).mean() - 0.5) < 0.05
    np.testing.assert_allclose(np.abs(drawn).mean(), 15.0, rtol=0.02)


def test_their_values_are_pulled_to_the_lowest_from_either_side() -> None:
    rows = Batch(obs=jnp.zeros((3, 1)), action=jnp.zeros((3, 2)))

    def loss(q):  # noqa: ANN001
        return infeasible_values(-5.0, 10.0)({"critic": lambda obs, action: q}, rows, KEY)[0]

    value, gradient = jax.value_and_grad(loss)(jnp.array([-4.0, -7.0]))
    np.testing.assert_allclose(value, 1.0 + 4.0)  # (-4 + 5)^2 + (-7 + 5)^2
    np.testing.assert_allclose(gradient, [2.0, -4.0])  # downhill: one down, the other up
    assert loss(jnp.full(2, -5.0)) == 0.0


def test_the_data_s_actions_are_left_alone() -> None:
    # A critic that is worth 7 within the bounds and the lowest outside pays nothing.
    rows = Batch(obs=jnp.zeros((3, 1)), action=jnp.zeros((3, 2)))
    critic = lambda obs, action: jnp.where(jnp.abs(action).max() <= 1.0, 7.0, -5.0) * jnp.ones(2)  # noqa: E731
    assert infeasible_values(-5.0, 10.0)({"critic": critic}, rows, KEY)[0] == 0.0
