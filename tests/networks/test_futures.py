"""An encoder that reads the future in order, and energies of what follows."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.networks.futures import FutureEncoder, OutcomeEnergy, told_choice

SPEC = Spec(Box((1,)), Discrete(2))


def test_the_future_is_read_in_order_and_padding_is_passed_over() -> None:
    encoder = FutureEncoder(SPEC, 2, 4, key=jax.random.key(0))

    @jax.jit
    def read(order, valid):
        obs, action, reward = jnp.array([[0.1], [0.5], [0.9]]), jnp.array([1, 0, 1]), jnp.array([1.0, 0.0, 2.0])
        return encoder(obs[order], action[order], reward[order], valid).probs

    order, two = jnp.arange(3), jnp.array([True, True, False])
    padded = read(order, two)
    np.testing.assert_allclose(read(jnp.array([0, 1, 1]), two), padded, rtol=1e-6)  # what lies behind counts nothing
    assert not np.allclose(read(jnp.array([1, 0, 2]), two), padded)
    assert not np.allclose(read(order, jnp.ones(3, bool)), padded)


def test_energies_embed_a_cause_with_every_choice_and_an_outcome() -> None:
    energy = OutcomeEnergy(SPEC, 3, 4, 1, key=jax.random.key(1))
    assert energy.cause(jnp.zeros(1), jnp.zeros((), int)).shape == (3, 4)
    assert energy.outcome(jnp.zeros(()), jnp.zeros(1)).shape == (4,)
    assert told_choice(SPEC, 3) == Spec(DictSpace.of({"obs": SPEC.obs, "choice": Discrete(3)}), SPEC.action)
