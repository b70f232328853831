"""IDQL's actor keeps both modes of the data; a Gaussian that clones has only their middle."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.idql import idql
from pilothouse.train.machine import Lanes, Machine


def test_the_critic_chooses_between_two_modes() -> None:
    # Actions of -0.8 and 0.8 alike often, only the second pays: fails with a Gaussian actor, which does 0 at best.
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
    spec = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))
    bound = idql(width=32, depth=1, blocks=1, batch=64, candidates=16, lr=3e-3)
    machine = Machine(lambda floats: bound.build(spec, floats), Lanes.of([0], bound.floats), fixed={"data": rows})
    machine.advance(1_500)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    obs, keys = jnp.zeros((64, 2)), jax.random.split(jax.random.key(0), 64)
    drawn = np.asarray(jax.vmap(parts["actor"].sample)(obs, keys))[:, 0]
    assert (drawn < -0.5).mean() > 0.2 and (drawn > 0.5).mean() > 0.2
    chosen = np.asarray(jax.vmap(lambda key: bound.build(spec).acts(parts)(obs[0], (), key)[0])(keys))[:, 0]
    assert (chosen > 0.5).mean() > 0.95
