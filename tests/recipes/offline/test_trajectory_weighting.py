"""With weights, what is cloned is the rare good trajectory; without, the mean of all."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.trajectory_weighting import trajectory_weighting
from pilothouse.train.machine import Lanes, Machine


def test_the_rare_good_trajectory_outweighs_many_bad_ones() -> None:
    # One episode of twenty pays and acts 0.6; the others act -0.6. Fails with a uniform sampler, which stays near -0.54.
    episode = np.repeat(np.arange(20), 10)
    rows = Batch(
        obs=jnp.asarray(np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)),
        action=jnp.asarray(np.where(episode == 7, 0.6, -0.6).astype(np.float32))[:, None],
        reward=jnp.asarray((episode == 7).astype(np.float32)),
        next_obs=jnp.zeros((200, 2)),
        terminated=jnp.asarray(np.arange(200) % 10 == 9),
        truncated=jnp.zeros(200, bool),
        duration=jnp.ones(200, jnp.int32),
        episode_id=jnp.asarray(episode, jnp.int32),
    )
    spec = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))
    # Sharpness next to nothing: cloning alone, so that the sampler is all that differs.
    bound = trajectory_weighting(width=16, depth=1, batch=32, lr=1e-2, block=50, sharpness=1e-6, advantage=False)
    floats = {**{name: [value] * 2 for name, value in bound.floats.items()}, "temperature": [0.1, 1e6]}
    machine = Machine(lambda floats: bound.build(spec, floats), Lanes.of([0, 0], floats), fixed={"data": rows})
    machine.advance(8)
    mean = jax.vmap(lambda actor: jax.vmap(actor)(rows.obs).mode().mean())(machine.state.parts["actor"])
    assert mean[0] > 0.5 and mean[1] < -0.4
