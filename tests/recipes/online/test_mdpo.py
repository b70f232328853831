"""What ties MDPO's policy to the one that collected is the divergence, ever tighter over the run."""

from typing import Any

import jax
import numpy as np
import pytest

from pilothouse.algorithm.interpreter import Source
from pilothouse.networks.distributions import kl
from pilothouse.recipes.online.mdpo import mdpo
from pilothouse.train.machine import Lanes, Machine
from pilothouse.worlds.registry import world

CARTPOLE = world("cartpole")


def moved(step: float, done: int) -> float:
    """Mean divergence from the policy that collected after one round of many steps, `done` rounds of 100 into the run."""
    bound = mdpo(length=32, epochs=8, minibatches=2, width=8, depth=1, lr=1e-2, step=step)

    def build(floats: Any) -> Any:
        return bound.build(CARTPOLE.spec, floats)

    machine = Machine(build, Lanes.of([0], bound.floats), worlds={"world": Source(CARTPOLE, 4)}, cycles=100)
    machine.done = done
    machine.advance(1)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    obs = jax.random.normal(jax.random.key(0), (64, 4))
    return float(kl(jax.vmap(parts["agent"])(obs)[0], jax.vmap(parts["before"])(obs)[0]).mean())


def test_a_smaller_step_size_and_a_later_round_move_less() -> None:
    # Fails where the divergence is left out (PPO without clipping): then none of these differ.
    loose, tight, late = moved(100.0, 0), moved(0.01, 0), moved(1.0, 99)
    assert tight < 0.1 * loose
    assert late < 0.1 * loose
    assert np.isfinite([loose, tight, late]).all() and loose > 1e-3


@pytest.mark.parametrize("step", [0.0, -1.0])
def test_step_sizes_are_positive(step: float) -> None:
    with pytest.raises(Exception, match="step"):
        mdpo(step=step)
