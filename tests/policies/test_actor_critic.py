"""Policies around an agent, with and without memory."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, Spec
from pilothouse.networks.actors import actor_and_value
from pilothouse.networks.recurrent import recurrent_actor_and_value
from pilothouse.policies.actor_critic import agent_mode, agent_sampled, recurrent_mode, recurrent_sampled
from pilothouse.policies.policy import Policy

KEY = jax.random.key(0)
SPEC = Spec(Box((2,)), Discrete(3))
OBS = jnp.array([0.5, -1.0])
PLAIN = {"agent": actor_and_value(SPEC, 4, 1)(KEY)}
# Far from uniform, so that memory shows in what is done.
MEMORY = {"agent": jax.tree.map(lambda x: x * 4.0, recurrent_actor_and_value(SPEC, 4, 3)(KEY))}


def test_a_draw_remembers_its_log_probability_and_the_value() -> None:
    distribution, value = PLAIN["agent"](OBS)
    action, carry, extra = agent_sampled("agent")(PLAIN)(OBS, (), KEY)
    assert carry == () and set(extra) == {"log_prob", "value"}
    np.testing.assert_allclose(extra["log_prob"], distribution.log_prob(action), rtol=1e-6)
    np.testing.assert_allclose(extra["value"], value, rtol=1e-6)
    best, _, nothing = agent_mode("agent")(PLAIN)(OBS, (), KEY)
    assert nothing == {} and int(best) == int(jnp.argmax(distribution.log_probs))


def test_forbidden_actions_are_never_drawn_nor_taken() -> None:
    spec = Spec(DictSpace.of({MASK: Box((3,), 0.0, 1.0), "place": Box((2,))}), Discrete(3))
    parts = {"agent": actor_and_value(spec, 4, 1)(KEY)}
    for allowed in (0, 1, 2):
        obs = {MASK: jnp.arange(3) == allowed, "place": OBS}
        draws = jax.vmap(lambda key, obs=obs: agent_sampled("agent")(parts)(obs, (), key)[0])(jax.random.split(KEY, 50))
        assert (draws == allowed).all()
        assert int(agent_mode("agent")(parts)(obs, (), KEY)[0]) == allowed


def test_memory_begins_anew_with_each_episode_and_is_remembered_as_acted_from() -> None:
    sampling, likeliest = recurrent_sampled("agent")(MEMORY), recurrent_mode("agent")(MEMORY)
    assert isinstance(sampling, Policy) and isinstance(likeliest, Policy)
    for policy in (sampling, likeliest):
        np.testing.assert_array_equal(policy.reset(jnp.ones(3), (), KEY), np.zeros(3))
    first = sampling.reset(None, (), KEY)
    action, second, extra = sampling(OBS, first, KEY)
    np.testing.assert_array_equal(extra["memory"], first)
    distribution, value, following = MEMORY["agent"](OBS, first)
    np.testing.assert_allclose(second, following, rtol=1e-6)
    np.testing.assert_allclose(extra["log_prob"], distribution.log_prob(action), rtol=1e-6)
    np.testing.assert_allclose(extra["value"], value, rtol=1e-6)
    _, third, later = sampling(OBS, second, KEY)
    np.testing.assert_array_equal(later["memory"], second)
    assert not np.allclose(later["log_prob"], MEMORY["agent"](OBS, first)[0].log_prob(action), rtol=1e-3)
    assert not np.array_equal(second, third)


def test_the_likeliest_action_keeps_memory_too() -> None:
    policy = recurrent_mode("agent")(MEMORY)
    observations = jnp.stack([OBS, -OBS, 2 * OBS])
    carry, taken = policy.reset(None, (), KEY), []
    for obs in observations:
        action, carry, extra = policy(obs, carry, KEY)
        assert extra == {}
        taken.append(int(action))
    starts = jnp.array([True, False, False])
    whole, _ = MEMORY["agent"].unroll(observations, starts, jnp.zeros(3))
    np.testing.assert_array_equal(taken, jnp.argmax(whole.log_probs, axis=-1))
