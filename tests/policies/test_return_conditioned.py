"""Acting by a sequence actor step by step is reading it off the whole stretch at once."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.sequence_actor import sequence_actor
from pilothouse.objectives.return_conditioned import ReturnScale
from pilothouse.policies.return_conditioned import SequencePolicy

SPEC = Spec(Box((3,)), Box((1,), -1.0, 1.0))


def test_step_by_step_is_as_the_whole_stretch() -> None:
    actor = sequence_actor(SPEC, 8, 1, 1, 10)(jax.random.key(0))
    returns = ReturnScale(jnp.asarray(2.0), jnp.asarray(4.0), jnp.asarray(10.0))

    def reward(obs: jax.Array, action: jax.Array) -> jax.Array:
        return (obs.sum() + action.sum())[None]

    policy = SequencePolicy(actor, returns, reward, SPEC.obs, SPEC.action, 3)
    obs = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)
    key = jax.random.key(0)
    step, carry = jax.jit(lambda *given: policy(*given)), policy.reset(None, (), key)
    actions, to_go = [], []
    for row in obs:
        to_go.append(carry["to_go"][-1])
        action, carry, _ = step(row, carry, key)
        actions.append(action)
    # What is left to earn: the target, less the expected reward of every step so far.
    earned = jnp.stack([reward(o, a)[0] for o, a in zip(obs, actions, strict=True)])
    np.testing.assert_allclose(to_go, 10.0 - jnp.cumsum(earned) + earned, rtol=1e-5)
    read = jax.jit(lambda *given: actor(*given).value)
    stretch = jnp.stack(actions)
    for end in range(5):  # the last three steps at most, padded in front at first
        rows = np.arange(end - 2, end + 1)
        told = (jnp.stack(to_go)[rows] - 2.0) / 4.0
        whole = read(told, obs[rows], stretch[rows], jnp.asarray(rows.clip(0)), jnp.asarray(rows >= 0))
        np.testing.assert_allclose(whole[-1], actions[end], atol=1e-5)


def test_an_episode_begins_with_the_target_and_no_past() -> None:
    actor = sequence_actor(SPEC, 8, 1, 1, 10)(jax.random.key(0))
    returns = ReturnScale(jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(7.0))
    policy = SequencePolicy(actor, returns, lambda obs, action: jnp.zeros(1), SPEC.obs, SPEC.action, 3)
    carry = policy.reset(None, (), jax.random.key(0))
    assert float(carry["to_go"][-1]) == 7.0 and not bool(carry["valid"].any())
