"""A cart in the wind by hand, and worlds of two groups: who is shown to be of which, and what differs there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.grouped import GroupedWorld, WindyCartPole
from pilothouse.worlds.tabular import Tabular

KEY = jax.random.key(0)
WINDY = GroupedWorld(WindyCartPole(horizon=9), (("wind", -4.0),), 0.25)


def test_wind_is_a_push_beside_that_of_the_action() -> None:
    body = jnp.array([0.1, -0.2, 0.03, 0.4])
    still, pushed = CartPole(), WindyCartPole(wind=-4.0)
    # Pushed right by 10 N against 4 N of wind is pushed by 6 N.
    np.testing.assert_allclose(pushed._after(body, jnp.float32(10)), still._after(body, jnp.float32(6)), rtol=1e-6)
    np.testing.assert_array_equal(WindyCartPole()._after(body, jnp.float32(10)), still._after(body, jnp.float32(10)))


def test_the_group_is_shown_and_has_its_own_constants() -> None:
    start = jnp.zeros(4)
    for group, wind in ((False, 0.0), (True, -4.0)):
        state, obs = WINDY.reset({"foreground": group, "start": start}, KEY)
        np.testing.assert_array_equal(obs, [0, 0, 0, 0, group])
        state, outcome = WINDY.step(state, jnp.int32(1), KEY)
        np.testing.assert_allclose(outcome.next_obs[:4], CartPole()._after(start, jnp.float32(10 + wind)), rtol=1e-6)
        assert float(outcome.next_obs[4]) == group
        assert float(WINDY.step(state, jnp.int32(0), KEY)[1].next_obs[4]) == group
    assert WINDY.horizon == 9
    low, high = WINDY.spec.obs.bounds()  # type: ignore
    assert (low[4], high[4]) == (0, 1) and len(low) == 5 and high[0] == np.float32(4.8)


def test_groups_are_drawn_in_their_shares() -> None:
    shown = jax.jit(jax.vmap(lambda key: WINDY.reset((), key)[1]))(jax.random.split(KEY, 2_000))[:, 4]
    assert set(np.unique(shown)) == {0.0, 1.0}
    np.testing.assert_allclose(shown.mean(), 0.25, atol=0.03)


def test_only_flat_observations_have_room_for_a_group() -> None:
    chain = Tabular.of(np.eye(2)[:, None], np.zeros((2, 1)))
    with pytest.raises(SpaceError, match="flat Box"):
        GroupedWorld(chain, ())
