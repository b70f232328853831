import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.noise import NoisyObservations
from pilothouse.worlds.tabular import Tabular


def test_only_what_is_shown_is_noisy() -> None:
    plain, noisy = CartPole(), NoisyObservations(CartPole(), 0.5)
    assert noisy.spec == plain.spec and noisy.horizon == plain.horizon
    keys = jax.random.split(jax.random.key(0), 2000)

    def gaps(key):
        state, obs = noisy.reset((), key)
        true_state, true_obs = plain.reset((), key)
        after, outcome = noisy.step(state, jnp.int32(1), key)
        true_after, truth = plain.step(true_state, jnp.int32(1), key)
        same = (after.body == true_after.body).all() & (outcome.reward == truth.reward)
        return obs - true_obs, outcome.next_obs - truth.next_obs, same

    first, second, same = jax.vmap(gaps)(keys)
    assert bool(same.all())
    for gap in (first, second):
        np.testing.assert_allclose(gap.mean(axis=0), 0.0, atol=0.05)
        np.testing.assert_allclose(gap.std(axis=0), 0.5, atol=0.03)


def test_choices_cannot_be_noisy() -> None:
    with pytest.raises(SpaceError, match="Discrete"):
        NoisyObservations(Tabular.garnet(4, 2, 2, key=jax.random.key(0)), 0.1)
