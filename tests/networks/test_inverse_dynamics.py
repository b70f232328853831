"""Inverse dynamics: their shape, their bounds, and their loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.networks.inverse_dynamics import inverse_dynamics
from pilothouse.objectives.learned_models import action_error, said_action

KEY = jax.random.key(0)


def test_every_observation_it_is_given_counts_and_deviations_stay_in_bounds() -> None:
    spec = Spec(Box((3,)), Box((2,), -1.0, 1.0))
    model = inverse_dynamics(spec, 2, 4, 1)(KEY)
    seen = [jnp.ones((2, 3)), jnp.ones(3), jnp.ones(3)]
    found = model(*seen)
    assert found.mode().shape == (2,) and found.rank == 1
    for place in range(3):
        slopes = jax.grad(lambda x, place=place: model(*[*seen[:place], x, *seen[place + 1 :]]).mode().sum())(
            seen[place]
        )
        assert float(jnp.abs(slopes).min()) > 0
    far = model(*[1e6 * x for x in seen])
    assert float(far.log_std.min()) >= -5 and float(far.log_std.max()) <= 2
    with pytest.raises(SpaceError, match="Inverse dynamics takes Box actions"):
        inverse_dynamics(Spec(Box((3,)), Discrete(2)), 1)


def test_its_loss_by_hand_and_what_it_says() -> None:
    # The mean before the tangent is the change of the observation plus the last earlier one; deviation 1.
    def model(past, obs, next_obs):  # noqa: ANN001, ANN202
        return SquashedGaussian(next_obs - obs + past.sum(axis=0), jnp.zeros(1), 1)

    action = np.tanh(0.5)
    batch = Batch(
        obs=jnp.array([[1.0], [1.0]]), next_obs=jnp.array([[1.5], [2.0]]), action=jnp.full((2, 1), action),
        past=jnp.array([[[0.0]], [[-1.0]]]),
    )  # fmt: skip
    # Both at 0.5 before the tangent, whose slope there is 1 - tanh(0.5)^2; means 0.5 and 0.
    normal = -0.5 * np.log(2 * np.pi) - np.log(1 - action**2)
    loss, _ = action_error()({"inverse": model}, batch, KEY)
    np.testing.assert_allclose(loss, -(normal + (normal - 0.125)) / 2, rtol=1e-5)
    np.testing.assert_allclose(said_action()({"inverse": model}, batch), [[action], [0.0]], rtol=1e-5)
    alone = batch.without("past")
    np.testing.assert_allclose(said_action()({"inverse": model}, alone), np.tanh([[0.5], [1.0]]), rtol=1e-5)
