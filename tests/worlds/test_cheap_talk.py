"""Messages stand behind what is observed, and nothing that happens depends on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.policies.policy import Memoryless
from pilothouse.policies.told import Told
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.cheap_talk import CheapTalk, with_messages


def spoken(obs):
    return jnp.stack([obs.sum(), -obs[0]])


def test_a_message_is_added_to_what_is_seen_and_changes_nothing_else() -> None:
    plain, talked = CartPole(), CheapTalk(CartPole(), spoken, 2)
    assert talked.spec.obs == Box((6,)) and talked.spec.action == plain.spec.action and talked.horizon == plain.horizon
    key = jax.random.key(0)
    (state, obs), (true_state, true_obs) = talked.reset((), key), plain.reset((), key)
    for step in range(3):
        np.testing.assert_array_equal(obs[:4], true_obs)
        np.testing.assert_allclose(obs[4:], [np.sum(true_obs), -true_obs[0]], rtol=1e-6)
        own = jax.random.fold_in(key, step)
        (state, said), (true_state, truth) = (
            talked.step(state, jnp.int32(1), own),
            plain.step(true_state, jnp.int32(1), own),
        )
        assert said.reward == truth.reward and said.terminated == truth.terminated
        np.testing.assert_array_equal(state.body, true_state.body)
        obs, true_obs = said.next_obs, truth.next_obs


def test_a_told_policy_hears_the_message_in_the_plain_world() -> None:
    class Echo(Memoryless):
        def __call__(self, obs, carry, key):
            return obs, carry, {}

    obs = jnp.arange(4.0)
    np.testing.assert_array_equal(Told(Echo(), spoken)(obs, (), jax.random.key(0))[0], [0, 1, 2, 3, 6, 0])


def test_messages_need_numbers_to_stand_beside() -> None:
    with pytest.raises(SpaceError, match="Discrete"):
        with_messages(Spec(Discrete(3), Discrete(2)), 2)
