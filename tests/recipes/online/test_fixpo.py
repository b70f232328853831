"""The second phase is what makes FixPO's bound certain."""

from typing import Any

import numpy as np

from pilothouse.algorithm.interpreter import Source
from pilothouse.algorithm.steps import Repeat
from pilothouse.recipes.online import fixpo as module
from pilothouse.recipes.online.fixpo import fixpo, watched
from pilothouse.train.machine import Lanes, Machine
from pilothouse.worlds.registry import world

BOUND = 0.003
SMALL = {"length": 32, "epochs": 4, "minibatches": 2, "width": 16, "depth": 1, "lr": 1e-2, "bound": BOUND}


def broken(name: str, *, second_phase: bool) -> float:
    """In how many of six rounds some state's divergence was beyond the bound."""
    task = world(name)
    bound = fixpo(**SMALL)

    def build(floats: Any) -> Any:
        made = bound.build(task.spec.unit(), floats)
        if not second_phase:
            (stage,) = made.stages
            kept = tuple(step for step in stage.cycle if not isinstance(step, Repeat))
            made = module.replace(made, stages=(module.replace(stage, cycle=kept),))
        return watched(made, BOUND)

    machine = Machine(build, Lanes.of([0], bound.floats), worlds={"world": Source(task, 4)}, cycles=6)
    machine.advance(6)
    return float(np.asarray(machine.state.parts["broken"])[0])


def test_the_bound_holds_with_the_second_phase_and_breaks_without() -> None:
    # Fails where the repair is left out, which is PPO with a penalty.
    assert broken("cartpole", second_phase=True) == 0
    assert broken("cartpole", second_phase=False) > 0


def test_the_multiplier_rises_while_the_divergence_is_beyond_the_bound() -> None:
    import jax
    import jax.numpy as jnp

    def dual(mean: float) -> float:
        penalty = lambda parts, batch, key: (jnp.float32(mean), {})  # noqa: E731
        loss = module.bound_by_multiplier(penalty, 0.1, 3.0)
        return float(jax.grad(lambda beta: loss({"beta": beta}, None, None)[0])(jnp.zeros(())))

    # d/dbeta of -softplus(beta) (3 kl - 0.1) at 0 is -(3 kl - 0.1) / 2
    np.testing.assert_allclose(dual(0.1), -0.1, rtol=1e-5)
    np.testing.assert_allclose(dual(0.01), 0.035, rtol=1e-5)
