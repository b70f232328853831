"""What was luck is kept out of the choice that stands for a future, so that the best choice is one that can be had."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.distributions import Categorical
from pilothouse.recipes.offline.doc import doc
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((1,), -5.0, 5.0), Discrete(2))


def lottery() -> Batch:
    """One step an episode. Action 0, taken once in eight times, wins 8 times of 10; action 1 wins 2 times of 10."""
    action = np.where(np.arange(400) % 8 == 0, 0, 1)
    nth = np.where(action == 0, np.cumsum(action == 0), np.cumsum(action == 1))
    won = np.where(action == 0, nth % 10 < 8, nth % 10 < 2)
    return Batch(
        obs=jnp.zeros((400, 1)),
        next_obs=jnp.zeros((400, 1)),
        action=jnp.asarray(action, jnp.int32),
        reward=jnp.asarray(won, jnp.float32),
        terminated=jnp.ones(400, bool),
        episode_id=jnp.arange(400, dtype=jnp.int32),
    )


class Lucky(eqx.Module):
    """An encoder that begins by telling all: the choice is 2 x action + won."""

    logits: jax.Array

    def __call__(self, obs, action, reward, valid) -> Categorical:
        return Categorical(self.logits[action[0], (reward[0] > 0).astype(int)])


def lucky(key: jax.Array) -> Lucky:
    del key
    return Lucky(2.0 * jnp.eye(4).reshape(2, 2, 4))


def test_luck_is_taken_out_of_the_choice_so_that_the_best_one_is_one_that_can_be_had() -> None:
    # Fails without the constraint (the second setting of the same program, where it must fail): the choice goes on telling
    # who won, the best choice is to have won, and neither action wins for sure.
    bound = doc(width=8, depth=1, batch=64, length=1, choices=4, samples=64, block=20, lr=1e-2)

    def build(given: Mapping[str, Any]) -> Algorithm:
        made = bound.build(SPEC, given)
        return replace(made, parts={**made.parts, "future": lucky})

    floats = {**bound.floats, "constraint": [4.0, 0.0]}
    machine = Machine(build, Lanes.of([0, 0], floats), fixed={"data": lottery()})
    machine.advance(1 + 30)

    @jax.jit
    @jax.vmap
    def seen(parts: dict) -> tuple[jax.Array, jax.Array]:
        action, _, extra = bound.build(SPEC).acts(parts)(jnp.zeros(1), (), jax.random.key(0))
        return action, extra["value"] * parts["returns"].std + parts["returns"].mean

    action, expected = seen(machine.state.parts)
    told = jax.nn.softmax(machine.state.parts["future"].logits, axis=-1)  # [setting, action, won, choice]
    apart = jnp.abs(told[:, :, 0] - told[:, :, 1]).max(axis=(1, 2))
    assert action[0] == 0 and abs(expected[0] - 0.8) < 0.1 and apart[0] < 0.2
    assert expected[1] > 0.95 and apart[1] > 0.5
