"""The second phase is what makes FixPO's bound certain."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.interpreter import Source
from pilothouse.algorithm.steps import Algorithm, Repeat, copy_of
from pilothouse.recipes.online.fixpo import BEYOND, fixpo, repair_steps, watched
from pilothouse.train.machine import Lanes, Machine
from pilothouse.worlds.registry import world

BOUND = 0.003
ROUNDS = 6
SMALL = {"length": 32, "epochs": 4, "minibatches": 2, "width": 16, "depth": 1, "lr": 1e-2, "bound": BOUND}


def first_phase_alone(algorithm: Algorithm) -> Algorithm:
    (stage,) = algorithm.stages
    *before, both = stage.cycle
    assert isinstance(both, Repeat) and isinstance(both.steps[-1], Repeat)
    return replace(algorithm, stages=(replace(stage, cycle=(*before, replace(both, steps=both.steps[:-1]))),))


def run(name: str, *, second_phase: bool = True, **settings: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """The parts after six rounds, `broken` the rounds in which some state's divergence was beyond, and the metrics."""
    task = world(name)
    bound = fixpo(**{**SMALL, **settings})

    def build(floats: Any) -> Algorithm:
        made = bound.build(task.spec.unit(), floats)
        return watched(made if second_phase else first_phase_alone(made), floats["bound"])

    machine = Machine(build, Lanes.of([0], bound.floats), worlds={"world": Source(task, 4)}, cycles=ROUNDS)
    sums = machine.advance(ROUNDS)
    assert all(count == 1 for count in machine.traces.values())
    parts = jax.tree.map(lambda x: np.asarray(x[0]), machine.state.parts)
    return parts, {name: float(pair[0, 0] / max(pair[0, 1], 1)) for name, pair in sums.items()}


# A categorical and a normal policy.
@pytest.mark.parametrize("name", ["cartpole", pytest.param("pendulum", marks=pytest.mark.slow)])
def test_the_bound_holds_with_the_second_phase_and_breaks_without(name: str) -> None:
    # Fails where the repair is left out, which is PPO with a penalty.
    repaired, metrics = run(name)
    unrepaired, _ = run(name, second_phase=False)
    assert repaired["broken"] == 0 < unrepaired["broken"]
    assert repaired["beta"] > 1
    sweeps = metrics["repeat/4.1"]
    assert 0 < sweeps < 100  # of the thousand after which it would give up
    assert 0.5 <= metrics[BEYOND] <= 1  # each sweep had cause: one minibatch of its two at least
    np.testing.assert_allclose(
        repair_steps({k: np.array([v]) for k, v in metrics.items()}, 1), sweeps * metrics[BEYOND]
    )


def test_the_multiplier_begins_at_one_and_falls_no_further_than_zero_while_all_is_within_the_bound() -> None:
    begins = fixpo(**SMALL).build(world("cartpole").spec).parts["beta"]
    assert not isinstance(begins, copy_of) and begins(jax.random.key(0)) == 1
    parts, metrics = run("cartpole", bound=100.0, beta_lr=0.5)
    assert parts["beta"] == 0 and metrics["repeat/4.1"] == 0


@pytest.mark.parametrize("part", ["agent", "beta"])
def test_a_minibatch_within_the_bound_moves_neither_parameters_nor_moments(part: str) -> None:
    """Under Adam a step of gradient 0 would move them by its momentum."""
    made = fixpo(**SMALL).build(world("cartpole").spec)
    optimizer: Any = made.optimizer_of(part, made.stages[0])
    start, pull = jnp.ones(3), jnp.ones(3)
    _, state = optimizer.update(pull, optimizer.init(start), start, aux={})  # the first phase says nothing, and steps
    still, same = optimizer.update(pull, state, start, aux={BEYOND: jnp.array(False)})
    assert not still.any()
    assert eqx.tree_equal(same.inner_state, state.inner_state)
    moved, changed = optimizer.update(pull, state, start, aux={BEYOND: jnp.array(True)})
    assert (moved < 0).all()
    assert not eqx.tree_equal(changed.inner_state, state.inner_state)
