"""Commands: what is left of them goes down step by step, and what obeys is asked with what is left."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.networks.distributions import Categorical
from pilothouse.policies.commanded import Commanded, Orders


def lazy(obs, command):
    """Chooses 1 while more than two are to be earned, else 0."""
    return Categorical(jnp.where(command[0] > 2, jnp.array([0.0, 9.0]), jnp.array([9.0, 0.0])))


def orders(low: float, high: float) -> Orders:
    return Orders(*(jnp.asarray(x) for x in (low, high, 2.0, 1.5)))


def test_what_is_left_by_hand() -> None:
    policy = Commanded(lazy, orders(5.0, 5.0))
    carry, seen = policy.reset(None, (), jax.random.key(0)), []
    for step in range(4):
        action, after, _ = policy(jnp.zeros(1), carry, jax.random.key(step))
        seen.append((float(carry[0]), float(carry[1]), int(action)))
        carry = after
    assert seen == [(5.0, 2.0, 1), (3.5, 1.0, 1), (2.0, 1.0, 0), (0.5, 1.0, 0)]  # never less than one step


def test_orders_are_drawn_between_two_returns_and_stray_choices_are_even() -> None:
    policy = Commanded(lazy, orders(3.0, 4.0), 0.5)
    keys = jax.random.split(jax.random.key(0), 2000)
    told = jax.vmap(lambda key: policy.reset(None, (), key))(keys)[:, 0]
    assert 3 <= told.min() < 3.05 and 3.95 < told.max() <= 4
    action = jax.vmap(lambda key: policy(jnp.zeros(1), jnp.array([5.0, 2.0]), key)[0])(keys)
    np.testing.assert_allclose(action.mean(), 0.75, atol=0.03)  # half obey, half of the others happen to
    drawn = Commanded(lambda obs, command: Categorical(jnp.log(jnp.array([0.3, 0.7]))), orders(3.0, 4.0), 0.0, True)
    action = jax.vmap(lambda key: drawn(jnp.zeros(1), jnp.array([5.0, 2.0]), key)[0])(keys)
    np.testing.assert_allclose(action.mean(), 0.7, atol=0.03)
