"""EDA: what aligning learns is known where the noise is small, and is nothing where the values are not asked."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.energy import log_density
from pilothouse.recipes.generative.eda import eda
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))


PAIR = ("actor", "behaviour")


class Itself(eqx.Module):
    """An action is worth what it is, by both members."""

    unused: Any

    def __call__(self, obs: Any, action: Any) -> Any:
        return jnp.concatenate([action, action])


def test_the_policy_is_copied_from_the_behaviour_and_valued_where_that_one_would_act() -> None:
    algorithm = eda(labelled=4).build(SPEC)
    _, border, align = algorithm.stages
    assert [step.writes for step in border.cycle] == [("actor",), ("draws",)] and border.cycles == 1  # type: ignore
    assert align.cycle[0].trains == ("actor",)  # type: ignore


def test_alignment_learns_how_much_likelier_an_action_has_to_be() -> None:
    # With next to no noise the log-ratio has the slope of the sharpened value: 2 for each unit of the action. Fails where
    # the actor goes on cloning, or stays the copy that it began as (sharpness 0).
    draw = np.random.default_rng(0)
    draws = Batch(obs=jnp.zeros((64, 1)), action=jnp.asarray(draw.uniform(-1, 1, (64, 8, 1)), jnp.float32))
    bound = eda(width=16, depth=1, blocks=1, batch=32, steps=20, labelled=64, samples=8, tuning_lr=3e-3)

    def build(floats: Any) -> Any:
        whole = bound.build(SPEC, floats)
        parts = {**whole.parts, "draws": lambda key: draws, "critic/slow": lambda key: Itself(jnp.zeros(()))}
        return replace(whole, parts=parts, stages=whole.stages[-1:])

    floats = {**{name: [value] * 2 for name, value in bound.floats.items()}, "sharpness": [0.0, 2.0]}
    machine = Machine(build, Lanes.of([0, 0], floats), fixed={"data": draws})
    machine.advance(300)

    @jax.jit
    @jax.vmap
    def slope(parts: Any) -> Any:
        ends = jnp.array([[-0.6], [0.6]])
        held = [jax.vmap(lambda a, p=p: log_density(parts[p], jnp.zeros(1), a, jnp.int32(0)))(ends) for p in PAIR]
        return jnp.diff(held[0] - held[1])[0] / 1.2

    still, aligned = np.asarray(slope(machine.state.parts))
    assert abs(still) < 0.1 and 1.4 < aligned < 2.6
