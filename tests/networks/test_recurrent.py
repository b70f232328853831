"""The gated unit by hand, and segments that forget where an episode begins."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, Spec
from pilothouse.networks.recurrent import GatedUnit, recurrent_actor_and_value

KEY = jax.random.key(0)
SPEC = Spec(DictSpace.of({"x": Box((2,)), MASK: Box((3,), 0, 1)}), Discrete(3))
TIME = 6


def unit(inputs: list[float], hidden: list[float]) -> GatedUnit:
    """One input and one memory; weights in the order reset, keep, new; no biases."""
    zeros = jnp.zeros(3)
    return eqx.tree_at(
        lambda u: (u.inputs.weight, u.inputs.bias, u.hidden.weight, u.hidden.bias),
        GatedUnit(1, 1, key=KEY),
        (jnp.array([inputs]), zeros, jnp.array([hidden]), zeros),
    )


def test_the_gated_unit_by_hand() -> None:
    x, h = jnp.array([2.0]), jnp.array([0.5])
    # All gates at one half: new = tanh(2 + 0.5 * 0.5 * 4), and half of it with half of the old.
    found = unit([0, 0, 1], [0, 0, 4])(x, h)
    np.testing.assert_allclose(found, [0.5 * np.tanh(3.0) + 0.25], rtol=1e-6)
    # Keep gate open: nothing changes. Shut: all new. Reset shut: the new one does not see the memory.
    np.testing.assert_allclose(unit([0, 50, 1], [0, 0, 4])(x, h), h, rtol=1e-6)
    np.testing.assert_allclose(unit([0, -50, 1], [0, 0, 4])(x, h), [np.tanh(3.0)], rtol=1e-6)
    np.testing.assert_allclose(unit([-50, -50, 1], [0, 0, 4])(x, h), [np.tanh(2.0)], rtol=1e-6)


AGENT = jax.tree.map(lambda leaf: 3.0 * leaf, recurrent_actor_and_value(SPEC, 4, 5)(KEY))
DRAW = np.random.default_rng(0)
OBS = {"x": jnp.asarray(DRAW.normal(size=(TIME, 2)).astype("f4")), MASK: jnp.ones((TIME, 3)).at[2, 1].set(0)}
unroll = jax.jit(lambda *given: AGENT.unroll(*given))
step = jax.jit(lambda *given: AGENT(*given))


@given(st.lists(st.booleans(), min_size=TIME, max_size=TIME), st.integers(0, 99))
def test_a_segment_is_its_steps_one_by_one(starts: list[bool], seed: int) -> None:
    carry = jax.random.normal(jax.random.key(seed), (5,))
    distribution, value = unroll(OBS, jnp.array(starts), carry)
    for t in range(TIME):
        carry = AGENT.initial_carry() if starts[t] else carry
        expected, worth, carry = step(jax.tree.map(lambda x, t=t: x[t], OBS), carry)
        np.testing.assert_allclose(distribution.log_probs[t], expected.log_probs, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(value[t], worth, rtol=1e-4, atol=1e-5)
    assert float(distribution.probs[2, 1]) == 0.0  # masks reach the heads


def test_nothing_passes_the_beginning_of_an_episode_neither_way() -> None:
    starts = jnp.array([False, False, False, True, False, False])
    carry = jnp.full(5, 0.3)

    def values(x: Any, carry: Any) -> Any:
        return AGENT.unroll(OBS | {"x": x}, starts, carry)[1]

    by_obs, by_carry = jax.jit(jax.jacobian(values, argnums=(0, 1)))(OBS["x"], carry)
    moves = np.any(np.asarray(by_obs) != 0, axis=-1)
    wanted = np.tril(np.ones((TIME, TIME), bool))
    wanted[3:, :3] = False
    np.testing.assert_array_equal(moves, wanted)
    np.testing.assert_array_equal(np.any(np.asarray(by_carry) != 0, axis=-1), [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(AGENT.initial_carry(), np.zeros(5))
