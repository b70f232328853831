"""EDP's actor learns without its chain: what its update costs does not grow with the number of steps."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.critics import twin_critic
from pilothouse.networks.generative import denoising_actor
from pilothouse.objectives.generated import chain_policy, one_shot_policy
from pilothouse.recipes.generative.edp import edp
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))


def evaluations(make: Any, steps: int) -> int:
    """How often a loss's program multiplies by the actor's last layer, with the turns of its loops."""
    parts = {
        "actor": denoising_actor(SPEC, 7, 1, steps, dropout=0.0)(jax.random.key(0)),
        "critic": twin_critic(SPEC, 4, 1)(jax.random.key(1)),
    }
    batch = Batch(obs=jnp.zeros((3, 2)), action=jnp.zeros((3, 1)))
    program = jax.make_jaxpr(lambda parts: make(1.0)(parts, batch, jax.random.key(0))[0])(parts)

    def count(jaxpr: Any) -> int:
        total = 0
        for equation in jaxpr.eqns:
            turns = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
            inside = jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "jaxpr") or hasattr(x, "eqns"))
            inner = [getattr(x, "jaxpr", x) for x in inside if hasattr(x, "jaxpr") or hasattr(x, "eqns")]
            last = equation.primitive.name == "dot_general" and equation.invars[1].aval.shape == (7, 1)
            total += int(last) + turns * sum(count(one) for one in inner)
        return total

    return count(program.jaxpr)


def test_an_update_of_the_actor_evaluates_it_once_and_not_once_a_step() -> None:
    # Fails with Diffusion-QL's loss, which draws the action by the chain.
    assert [evaluations(one_shot_policy, steps) for steps in (5, 50)] == [1, 1]
    assert [evaluations(chain_policy, steps) for steps in (5, 50)] == [6, 51]


def test_guidance_finds_the_mode_that_pays() -> None:
    draw = np.random.default_rng(0)
    action = (draw.choice([-0.8, 0.8], 512) + 0.02 * draw.normal(size=512)).astype(np.float32)[:, None]
    rows = Batch(
        obs=jnp.asarray(draw.normal(size=(512, 2)).astype(np.float32)),
        action=jnp.asarray(action),
        reward=jnp.asarray((action[:, 0] > 0).astype(np.float32)),
        next_obs=jnp.zeros((512, 2)),
        terminated=jnp.ones(512, bool),
        truncated=jnp.zeros(512, bool),
        duration=jnp.ones(512, jnp.int32),
    )
    bound = edp(width=32, depth=1, blocks=1, batch=64, steps=5, evaluations=5, candidates=1, lr=3e-3, rate=0.05)
    floats = {**{name: [value] * 2 for name, value in bound.floats.items()}, "alpha": [0.0, 4.0]}
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([0, 0], floats), fixed={"data": rows})
    machine.advance(800)
    keys, good = jax.random.split(jax.random.key(0), 64), []
    for lane in (0, 1):
        policy = bound.build(SPEC).acts(jax.tree.map(lambda x, lane=lane: x[lane], machine.state.parts))
        acted = np.asarray(jax.jit(jax.vmap(lambda key, policy=policy: policy(jnp.zeros(2), (), key)[0]))(keys))
        good.append(float((acted[:, 0] > 0.4).mean()))
    assert 0.2 < good[0] < 0.8 and good[1] > good[0] + 0.2
