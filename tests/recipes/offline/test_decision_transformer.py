"""A decision transformer does what it is told to earn; cloning without returns does the mean of what was done."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.decision_transformer import decision_transformer
from pilothouse.train.machine import Lanes, Machine


def test_it_earns_the_return_that_it_is_told() -> None:
    # Episodes of two steps that do 0.8 and earn 1 a step, or do -0.8 and earn 0. Fails if the actor is told no return:
    # then it does 0, the mean, whatever is asked for.
    draw = np.random.default_rng(0)
    good = np.repeat(draw.random(128) < 0.5, 2)
    rows = Batch(
        obs=jnp.asarray(draw.normal(size=(256, 2)), jnp.float32),
        action=jnp.asarray(np.where(good, 0.8, -0.8)[:, None], jnp.float32),
        reward=jnp.asarray(good, jnp.float32),
        episode_id=jnp.repeat(jnp.arange(128, dtype=jnp.int32), 2),
        terminated=jnp.asarray(np.arange(256) % 2 == 1),
        valid=jnp.ones(256, bool),
    )
    spec = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))
    bound = decision_transformer(width=16, layers=1, length=2, batch=32, longest=4, block=50, lr=3e-3, dropout=0.0)
    machine = Machine(lambda floats: bound.build(spec, floats), Lanes.of([0], bound.floats), fixed={"data": rows})
    machine.advance(1 + 8)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    assert float(parts["returns"].target) == 2.0

    @jax.jit
    def episode(parts: dict) -> jax.Array:
        policy, key = bound.build(spec).acts(parts), jax.random.key(0)
        carry, actions = policy.reset(None, (), key), []
        for _ in range(2):
            action, carry, _ = policy(jnp.zeros(2), carry, key)
            actions.append(action[0])
        return jnp.stack(actions)

    np.testing.assert_allclose(episode(parts), 0.8, atol=0.2)
    asked_for_little = {**parts, "returns": parts["returns"]._replace(target=jnp.asarray(0.0))}
    np.testing.assert_allclose(episode(asked_for_little), -0.8, atol=0.2)
