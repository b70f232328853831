"""A lifetime is the run with its key, as one pure function."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.algorithm.interpreter import Source
from pilothouse.algorithm.lifetimes import lifetime
from pilothouse.algorithm.steps import Algorithm, Collect, Rule
from pilothouse.policies.policy import Random
from pilothouse.train.machine import Lanes, Machine
from pilothouse.worlds.cartpole import CartPole

PLACE = CartPole()


def note(parts, batch, aux, key):
    """Something that depends on what was collected, on the clock and on the key."""
    del batch, aux
    clock = parts["clock"]["progress"] + parts["clock"]["env_steps"]
    return {"seen": parts["seen"] + parts["lived"].obs.sum() * clock + jax.random.normal(key)}


def test_a_lifetime_learns_and_earns_what_a_run_does() -> None:
    source = Source(PLACE, 4)
    learner = Algorithm.of(
        parts={"seen": lambda key: jnp.zeros(())},
        cycle=(Collect("lived", 16, lambda parts: Random(PLACE.spec.action)), Rule(note, ("seen",))),
        acts=lambda parts: Random(PLACE.spec.action),
        optimizer=optax.identity(),
    )
    parts, earned = jax.jit(lambda key: lifetime(learner, source, 3, key))(jax.random.key(5))
    machine = Machine(lambda floats: learner, Lanes.of([5]), worlds={"world": source}, cycles=3)
    total, count = machine.advance(3)["episode/return"][0]
    np.testing.assert_allclose(parts["seen"], machine.state.parts["seen"][0], rtol=1e-5)
    np.testing.assert_allclose(earned, total / count, rtol=1e-6)
    assert count > 1
