"""The codebook's loss and the exact gap by hand, where their gradients go, and CQL over codes."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.quantised import (
    codebook_loss,
    conservative_codes_td,
    discrete_gap,
    quantise_actions,
    straight_through,
)

KEY = jax.random.key(0)


def test_both_sides_of_the_codebook_move_to_each_other() -> None:
    embedded, entry = jnp.array([[1.0, 3.0]]), jnp.array([[2.0, 3.0]])
    np.testing.assert_allclose(codebook_loss(embedded, entry), [1.0])  # (1 + 0) / 2, twice
    towards = jax.grad(lambda z, e: codebook_loss(z, e).sum(), argnums=(0, 1))(embedded, entry)
    np.testing.assert_allclose(towards[0], [[-1.0, 0.0]])  # 2 (z - e) / 2 : downhill is towards the entry
    np.testing.assert_allclose(towards[1], [[1.0, 0.0]])


def test_rounding_passes_the_gradient_on() -> None:
    value, slopes = jax.value_and_grad(lambda z, e: (straight_through(z, e) ** 2).sum(), argnums=(0, 1))(
        jnp.array([1.0]), jnp.array([3.0])
    )
    assert float(value) == 9.0
    np.testing.assert_allclose(slopes[0], [6.0])
    np.testing.assert_allclose(slopes[1], [0.0])


class Doubled(eqx.Module):
    """Embeds an action by `scale`; an entry stands for twice itself."""

    codebook: Any
    scale: Any

    def embed(self, obs: Any, action: Any) -> Any:
        return self.scale * action

    def nearest(self, embedded: Any) -> Any:
        return jnp.argmin(jnp.square(self.codebook - embedded).sum(axis=-1))

    def code(self, obs: Any, action: Any) -> Any:
        return self.nearest(self.embed(obs, action))

    def generated(self, obs: Any, entry: Any) -> Any:
        return 2 * entry


def test_the_quantisers_loss_by_hand() -> None:
    batch = Batch(obs=jnp.zeros((2, 1)), action=jnp.array([[0.5], [-0.25]]))
    network = Doubled(jnp.array([[1.0], [-1.0], [7.0]]), jnp.float32(1.0))

    def loss(network: Doubled) -> Any:
        return quantise_actions()({"quantiser": network}, batch, KEY)

    # Entries 1 and -1 stand for 2 and -2: (1.5^2 + 2 * 0.5^2 + 1.75^2 + 2 * 0.75^2) / 2.
    (value, aux), slope = eqx.filter_value_and_grad(loss, has_aux=True)(network)
    np.testing.assert_allclose(value, (2.25 + 0.5 + 3.0625 + 1.125) / 2, rtol=1e-6)
    assert float(aux["quantiser/codes_used"]) == 2
    # An entry is moved by its own rows' distance alone, 2 (e - z) / rows; that which no row has, not at all.
    np.testing.assert_allclose(slope.codebook[:, 0], [0.5, -0.75, 0.0], rtol=1e-6)
    # The embedding: per row action * (2 * 2 (2e - a) + 2 (z - e)) = 0.5 * (6 - 1) and -0.25 * (-7 + 1.5).
    np.testing.assert_allclose(slope.scale, (0.5 * 5 + 0.25 * 5.5) / 2, rtol=1e-6)


def test_the_exact_gap() -> None:
    values = jnp.log(jnp.array([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(discrete_gap(values, values[:, 1]), [math.log(8) - math.log(2)], rtol=1e-6)
    down = jax.grad(lambda v: discrete_gap(v, v[:, 1]).sum())(values)
    np.testing.assert_allclose(down, [[1 / 8, 2 / 8 - 1, 5 / 8]], rtol=1e-5)  # others down, the data's up, sum 0
    assert float(discrete_gap(jnp.array([[3.0]]), jnp.array([3.0]))[0]) == 0  # one choice: nothing to hold down


def test_conservative_values_of_codes_by_hand() -> None:
    batch = Batch(
        obs=jnp.zeros((1, 1)), next_obs=jnp.ones((1, 1)), action=jnp.array([[-0.25]]), reward=jnp.array([1.0]),
        discount=jnp.array([0.5]),
    )  # fmt: skip
    parts = {
        "quantiser": Doubled(jnp.array([[1.0], [-1.0]]), jnp.float32(1.0)),  # the row's code is 1
        "critic": lambda obs: jnp.where(obs[0] > 0, jnp.array([3.0, 2.0]), jnp.log(jnp.array([2.0, 6.0]))),
        "critic/slow": lambda obs: jnp.array([4.0, 9.0]),
    }
    # The live critic chooses code 0 next, which the slow one values at 4: target 1 + 0.5 * 4 = 3.
    error, gap = (math.log(6) - 3) ** 2, math.log(8 / 6)
    plain, aux = conservative_codes_td(0.0)(parts, batch, KEY)
    np.testing.assert_allclose([plain, aux["critic/gap"]], [error, gap], rtol=1e-5)
    np.testing.assert_allclose(conservative_codes_td(2.0)(parts, batch, KEY)[0], error + 2 * gap, rtol=1e-5)
