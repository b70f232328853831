"""How new a pair is: by hand, and that learning of one pair makes that pair old and a far one hardly."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.novelty import RandomDistillation, random_distillation

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


def test_novelty_by_hand():
    measure = RandomDistillation(lambda obs, action: obs + action, lambda obs, action: jnp.array([0.0, 4.0]))
    # (1 - 0)^2 and (2 - 4)^2, on the mean.
    assert float(measure(jnp.array([0.5, 1.5]), jnp.array([0.5]))) == 2.5


def test_what_is_learned_becomes_old_and_what_is_fixed_stays():
    first = random_distillation(SPEC, 16, 1)(jax.random.key(0))
    here, there = (jnp.array([1.0, 0.0]), jnp.array([0.5])), (jnp.array([-1.0, 2.0]), jnp.array([-0.5]))
    optimizer = optax.adam(1e-2)

    @jax.jit
    def learn(measure):
        def one(state, _):
            measure, opt = state
            updates, opt = optimizer.update(jax.grad(lambda m: m(*here))(measure), opt)
            return (optax.apply_updates(measure, updates), opt), None

        arrays = jax.tree.map(jnp.asarray, measure)
        return jax.lax.scan(one, (arrays, optimizer.init(arrays)), None, length=100)[0][0]

    after = learn(first)
    assert float(after(*here)) < 0.01 * float(first(*here))
    assert float(after(*there)) > 0.2 * float(first(*there))
    jax.tree.map(np.testing.assert_array_equal, after.fixed, first.fixed)
