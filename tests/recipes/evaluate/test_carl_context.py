"""The mechanism: what needs the context is done by who is shown it, and by nobody from whom it is hidden."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from pilothouse.policies.policy import Memoryless
from pilothouse.recipes.evaluate.carl_context import carl_context
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.contextual import Contexts, ContextualWorld
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.uncertain import UncertaintySet

EITHER_WAY = UncertaintySet.of({"gravity": (-20.0, 20.0), "length": (0.9, 1.1)})


class Held(Memoryless):
    """Holds the rod where it stands, against the gravity that it is told of, or with a guess of none."""

    told: bool = eqx.field(static=True)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        gravity = 20.0 * obs[3] if self.told else 0.0
        # Torque times 3 / (m l²) against 3 g sin(angle) / (2 l), with m = l = 1.
        return -(0.5 * gravity * obs[1] + 2.0 * jnp.arctan2(obs[1], obs[0]) + obs[2])[None], carry, {}


CONTEXTS = Contexts(EITHER_WAY, 0.5)
PLACE = WorldSource("pendulum", ContextualWorld(Pendulum(horizon=40, strongest=40.0), CONTEXTS, "joined"))


def test_who_is_told_the_context_does_better_within_and_beyond():
    examine = carl_context(points=6, episodes=2).build(PLACE.spec)
    told, guessing = (examine(Held(told), place=PLACE, contexts=CONTEXTS) for told in (True, False))
    assert told["within"] > guessing["within"] + 5
    assert told["beyond"] > guessing["beyond"] + 5


def test_without_a_place_it_is_the_world_named():
    said = carl_context(world="cartpole-context", points=2, episodes=1, horizon=10).build(PLACE.spec)
    assert 1 <= said(said.baseline)["within"] <= 10
