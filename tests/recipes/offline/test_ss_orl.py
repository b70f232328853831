"""What was done where no action was recorded is told by what followed, and is learned from."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.objectives.learned_models import said_action
from pilothouse.recipes.offline.ss_orl import ss_orl
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((1,), -5.0, 5.0), Box((1,), -1.0, 1.0))
GOOD = 0.6


def rows(count: int = 400) -> Batch:
    """The observation changes by the action. Labelled rows do anything for nothing; the others did 0.6 and earned 1."""
    draw = np.random.default_rng(0)
    acted = np.arange(count) % 4 == 3
    action = np.where(acted, draw.uniform(-1, 1, count), GOOD)[:, None].astype(np.float32)
    obs = draw.normal(size=(count, 1)).astype(np.float32)
    return Batch(
        obs=jnp.asarray(obs),
        action=jnp.asarray(np.where(acted[:, None], action, np.nan)),
        acted=jnp.asarray(acted),
        reward=jnp.asarray(~acted, jnp.float32),
        next_obs=jnp.asarray(obs + action),
        terminated=jnp.ones(count, bool),
        truncated=jnp.zeros(count, bool),
        duration=jnp.ones(count, jnp.int32),
        episode_id=jnp.arange(count),
    )


def test_it_learns_from_actions_that_nobody_recorded() -> None:
    # Fails if the rows without actions are left out (nothing in the others pays, and they do 0 on average) or if the
    # inverse dynamics do not come first.
    settings = {"width": 16, "depth": 1, "batch": 64, "alpha": 0.3, "lr": 3e-3, "inverse_lr": 1e-2}
    bound = ss_orl(pretraining=600, **settings)
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([0], bound.floats), fixed={"data": rows()})
    machine.advance(600 + 150)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    unlabelled = jax.tree.map(lambda x: x[:3], rows()).replace(past=jnp.zeros((3, 1, 1)))
    np.testing.assert_allclose(said_action()(parts, unlabelled), GOOD, atol=0.1)
    assert abs(float(jax.vmap(parts["actor"])(rows().obs[:64]).mode().mean()) - GOOD) < 0.2
