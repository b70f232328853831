"""A policy that draws does what its generator draws, and remembers nothing."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.policies.drawn import drawn_from


class Noisy(eqx.Module):
    def sample(self, obs: Any, key: Any) -> Any:
        return obs + jax.random.normal(key, obs.shape)


def test_it_does_what_is_drawn() -> None:
    policy = drawn_from(lambda parts: parts["actor"])({"actor": Noisy()})
    obs, key = jnp.array([1.0, 2.0]), jax.random.key(3)
    carry = policy.reset(None, (), key)
    action, after, extra = policy(obs, carry, key)
    np.testing.assert_allclose(action, obs + jax.random.normal(key, (2,)))
    assert carry == after == () and extra == {}
