"""Data of two groups: as many steps of each as told, in its own wind, and measured in the wind alone."""

import jax.numpy as jnp
import numpy as np

from pilothouse.evaluate.scripted_groups import grouped_cart
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole


def test_each_group_has_its_steps_and_its_wind() -> None:
    source = grouped_cart(background=60, foreground=20, wind=-5.0, horizon=30)
    data, place = source.dataset, source.evaluation
    assert isinstance(place, WorldSource) and place.world.share == 1.0  # type: ignore
    windy = data.obs[:, 4] == 1
    assert (~windy).sum() == 60 and windy.sum() == 20
    np.testing.assert_array_equal(data.obs[:, 4], data.next_obs[:, 4])
    for row in (3, 40, 65, 75):
        push = (10.0 if data.action[row] == 1 else -10.0) + (-5.0 if windy[row] else 0.0)
        after = CartPole()._after(jnp.asarray(data.obs[row, :4]), jnp.float32(push))
        np.testing.assert_allclose(data.next_obs[row, :4], after, atol=1e-5)
