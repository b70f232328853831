"""Consistency-AC: its policy has both modes of the data in two evaluations, and the critic leads it to one of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.generative.consistency_ac import consistency_ac
from pilothouse.recipes.generative.diffusion_ql import diffusion_ql
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))


def products(bound: Any, inner: tuple[int, int]) -> int:
    """How often acting multiplies by a matrix of this shape, with the turns of its loops."""
    algorithm = bound.build(SPEC)
    actor = algorithm.parts["actor"](jax.random.key(0))
    program = jax.make_jaxpr(lambda actor, key: actor.sample(jnp.zeros(2), key))(actor, jax.random.key(0))

    def count(jaxpr: Any) -> int:
        total = 0
        for equation in jaxpr.eqns:
            turns = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
            nested = [
                x for x in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns")) if x is not None
            ]
            own = equation.primitive.name == "dot_general" and equation.invars[1].aval.shape == inner
            total += int(own) + turns * sum(count(getattr(x, "jaxpr", x)) for x in nested if hasattr(x, "eqns"))
        return total

    return count(program.jaxpr)


def test_an_action_costs_two_evaluations_where_a_chain_costs_one_a_step() -> None:
    # Fails with Diffusion-QL's actor in its place.
    assert products(consistency_ac(width=7, depth=1), (7, 1)) == 2
    assert products(diffusion_ql(width=7, blocks=1, depth=1, steps=5), (7, 1)) == 5


def test_two_evaluations_have_both_modes_and_the_critic_finds_the_one_that_pays() -> None:
    draw = np.random.default_rng(0)
    action = (draw.choice([-0.8, 0.8], 512) + 0.02 * draw.normal(size=512)).astype(np.float32)[:, None]
    rows = Batch(
        obs=jnp.zeros((512, 2)),
        action=jnp.asarray(action),
        reward=jnp.asarray((action[:, 0] > 0).astype(np.float32)),
        next_obs=jnp.zeros((512, 2)),
        terminated=jnp.ones(512, bool),
        truncated=jnp.zeros(512, bool),
        duration=jnp.ones(512, jnp.int32),
    )
    bound = consistency_ac(width=16, depth=2, batch=64, levels=20, candidates=1, lr=3e-3, rate=0.05)
    floats = {**{name: [value] * 2 for name, value in bound.floats.items()}, "eta": [0.0, 10.0]}
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([0, 0], floats), fixed={"data": rows})
    machine.advance(800)
    keys = jax.random.split(jax.random.key(0), 128)

    @jax.jit
    @jax.vmap
    def acted(parts: Any) -> Any:
        policy = bound.build(SPEC).acts(parts)
        return jax.vmap(lambda key: policy(jnp.zeros(2), (), key)[0])(keys)

    cloned, led = np.asarray(acted(machine.state.parts))
    assert (cloned > 0.5).mean() > 0.25 and (cloned < -0.5).mean() > 0.25, "a normal policy would act between the two"
    assert (led > 0.5).mean() > (cloned > 0.5).mean() + 0.2
