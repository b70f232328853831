"""Where one move cannot serve all states, the adversary serves those that the intention's critic says matter."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.stores import ring
from pilothouse.guard.moves import Learned, Shown
from pilothouse.networks.distributions import Deterministic
from pilothouse.policies.policy import Mode
from pilothouse.recipes.robustness.rat import rat
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))


class Push(eqx.Module):
    """An adversary that can only make the same move everywhere."""

    push: jax.Array

    def __call__(self, obs):
        return Deterministic(self.push)


class Weights(eqx.Module):
    """A number for each of the states 1 and 2."""

    outputs: jax.Array

    def __call__(self, obs):
        return jnp.where(obs[0] < 1.5, self.outputs[0], self.outputs[1])


class Doubled(eqx.Module):
    """The victim: twice what it sees."""

    def __call__(self, obs):
        return Deterministic(2.0 * obs)


class Intended(eqx.Module):
    """3 at the first state, where the victim does 2; -3 at the second, where it does 4."""

    def __call__(self, obs):
        return Deterministic(jnp.where(obs < 1.5, 3.0, -3.0))


class Worth(eqx.Module):
    """Only what is done at the first state is worth anything: the action itself."""

    def __call__(self, obs, action):
        return jnp.where(obs[0] < 1.5, action[0], 0.0)[None]


def replay(key: jax.Array) -> Any:
    empty = ring(SPEC, 2)(key)
    return empty.add(empty.rows.replace(obs=jnp.array([[1.0], [2.0]])))


PARTS = {
    "victim/actor": lambda key: Doubled(),
    "actor": lambda key: Intended(),
    "critic": lambda key: Worth(),
    "adversary": lambda key: Push(jnp.zeros(1)),
    "weigher": lambda key: Weights(jnp.zeros(2)),
    "replay": replay,
}


def test_states_that_matter_are_weighed_more_and_the_move_serves_them() -> None:
    # Alike, the second state pulls seven times as hard, and the move goes its way; it is a state of no worth.
    bound = rat(batch=8, lr=0.05, weigher_lr=0.1, radius=0.1, misleading=1, weighing=1)

    def build(floats: Mapping[str, Any]) -> Algorithm:
        made = bound.build(SPEC, floats)
        only = {name: made.optimizer[name] for name in ("adversary", "weigher")}  # type: ignore
        return Algorithm.of(parts=PARTS, cycle=made.stages[-1].cycle[-2:], acts=made.acts, optimizer=only)

    spreads = [1.0] * 4 + [0.0] * 4
    machine = Machine(build, Lanes.of([0, 1, 2, 3] * 2, {**bound.floats, "spread": spreads}))
    machine.advance(200)
    parts = machine.state.parts
    push, outputs = np.asarray(parts["adversary"].push)[:, 0], np.asarray(parts["weigher"].outputs)
    assert (push[:4] > 1).all() and (push[4:] < -1).all(), push
    assert (outputs[:4, 0] > 0.5).all() and (outputs[:4, 1] < -0.5).all(), outputs
    np.testing.assert_array_equal(outputs[4:], 0.0)
    policy = build(bound.floats).acts(jax.tree.map(lambda x: x[0], parts))
    shown = Shown(Mode(Doubled()), Learned(Push(jnp.asarray(push[:1]))), 0.1)
    for obs in (1.0, 2.0):  # what is evaluated is the victim, misled
        found, expected = (one(jnp.array([obs]), (), jax.random.key(0))[0] for one in (policy, shown))
        np.testing.assert_allclose(found, expected)


def test_an_entry_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpaceError, match="entry=1"):
        rat(entry=1).build(SPEC)
