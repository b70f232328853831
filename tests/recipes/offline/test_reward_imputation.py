"""Rewards are learned from the labelled rows alone, and stand in for all others."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.reward_imputation import reward_imputation
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))


def rows(count: int = 400) -> Batch:
    """The reward is the action; three rows of four lack it."""
    draw = np.random.default_rng(0)
    action = draw.uniform(-1, 1, (count, 1)).astype(np.float32)
    known = np.arange(count) % 4 == 3
    return Batch(
        obs=jnp.asarray(draw.normal(size=(count, 2)), jnp.float32),
        action=jnp.asarray(action),
        reward=jnp.asarray(np.where(known, action[:, 0], np.nan), jnp.float32),
        rewarded=jnp.asarray(known),
        next_obs=jnp.zeros((count, 2)),
        terminated=jnp.ones(count, bool),
        truncated=jnp.zeros(count, bool),
        duration=jnp.ones(count, jnp.int32),
    )


def test_it_learns_what_the_labels_say_and_never_reads_a_missing_reward() -> None:
    # Fails if rewards are taken as they stand (NaN, or nothing learned), or if the regression does not come first.
    settings = {"width": 16, "depth": 1, "batch": 64, "alpha": 10.0, "lr": 3e-3, "reward_lr": 1e-2}
    bound = reward_imputation(pretraining=600, **settings)
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([0], bound.floats), fixed={"data": rows()})
    machine.advance(600 + 150)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    obs, action = rows().obs[:64], rows().action[:64]
    np.testing.assert_allclose(jax.vmap(parts["reward"])(obs, action), action, atol=0.15)
    assert float(jax.vmap(parts["actor"])(obs).mode().mean()) > 0.5
