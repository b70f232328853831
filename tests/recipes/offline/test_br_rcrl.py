"""Where a high return cannot be had it is not asked for, and what is done is what earned most there."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.br_rcrl import br_rcrl
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((1,), -2.0, 2.0), Box((1,), -1.0, 1.0))


def rows(count: int = 512) -> Batch:
    """One step an episode. At 1 doing 0.6 earns 1, and otherwise less; at -1 doing -0.6 earns most, and that is 0."""
    draw = np.random.default_rng(0)
    obs = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    action = draw.uniform(-1, 1, count)
    reward = np.where(obs > 0, 1.0, 0.0) - np.abs(action - 0.6 * obs)
    return Batch(
        obs=jnp.asarray(obs[:, None], jnp.float32),
        action=jnp.asarray(action[:, None], jnp.float32),
        reward=jnp.asarray(reward, jnp.float32),
        terminated=jnp.ones(count, bool),
        episode_id=jnp.arange(count, dtype=jnp.int32),
    )


def test_what_is_asked_for_is_what_can_be_had() -> None:
    # Fails if the highest return of all is asked for everywhere (the second setting of the same program), and if actions
    # are those usual: all of them are.
    bound = br_rcrl(width=16, depth=1, batch=64, samples=32, points=11, block=50, lr=1e-2)
    floats = {**bound.floats, "share": [0.1, 0.0]}
    machine = Machine(lambda given: bound.build(SPEC, given), Lanes.of([0, 0], floats), fixed={"data": rows()})
    machine.advance(1 + 10)

    def act(parts: Any, given: Any, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        action, _, extra = bound.build(SPEC, given).acts(parts)(obs[None], (), jax.random.key(0))
        return action[0], extra["asked"]

    each = jax.vmap(jax.vmap(act, in_axes=(None, None, 0)), in_axes=(0, 0, None))
    action, asked = jax.jit(each)(machine.state.parts, machine.floats, jnp.array([1.0, -1.0]))
    np.testing.assert_allclose(action[0], [0.6, -0.6], atol=0.3)
    # Returns reach from -1.6 to 1, so that 0 is told as 0.23.
    assert asked[0, 0] > 0.6 and abs(asked[0, 1] - 0.23) < 0.25
    np.testing.assert_array_equal(asked[1], 1.0)
