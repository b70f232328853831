"""Aligning densities with values: by hand, and where the loss is at rest."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.energy import energy_actor, log_density
from pilothouse.objectives.alignment import align_density, alignment_loss

KEY = jax.random.key(0)


def test_the_loss_by_hand() -> None:
    # Values 0 and log(3) / 2, sharpness 2: wanted (1/4, 3/4). Ratios 0 and log 2: held (1/3, 2/3).
    value, ratio = jnp.array([[0.0, np.log(3.0) / 2]]), jnp.array([[0.0, np.log(2.0)]])
    loss = lambda ratio, value: alignment_loss(ratio, value, sharpness=2.0).sum()  # noqa: E731
    np.testing.assert_allclose(loss(ratio, value), 0.25 * np.log(3.0) + 0.75 * np.log(1.5), rtol=1e-5)
    slope, through_value = jax.grad(loss, (0, 1))(ratio, value)
    np.testing.assert_allclose(slope, [[1 / 3 - 1 / 4, 2 / 3 - 3 / 4]], rtol=1e-4)  # held less wanted
    np.testing.assert_array_equal(through_value, np.zeros((1, 2)))


def test_at_rest_the_ratio_is_the_sharpened_value_whatever_the_constant_and_the_loss_its_entropy() -> None:
    value = jax.random.normal(KEY, (5, 4))
    ratio = 3.0 * value + jnp.arange(5.0)[:, None]
    slope = jax.grad(lambda ratio: alignment_loss(ratio, value, sharpness=3.0).sum())(ratio)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    held = np.asarray(jax.nn.softmax(ratio))
    loss = alignment_loss(ratio, value, sharpness=3.0)
    np.testing.assert_allclose(loss, -(held * np.log(held)).sum(axis=1), rtol=1e-4)


def test_two_samples_and_great_sharpness_are_direct_preference_optimisation() -> None:
    ratio = jnp.array([[0.3, -0.4], [1.0, 2.0]])
    value = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    loss = alignment_loss(ratio, value, sharpness=1e4)
    np.testing.assert_allclose(loss, -np.asarray(jax.nn.log_sigmoid(ratio[:, 0] - ratio[:, 1])), rtol=1e-5)


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    make = energy_actor(Spec(Box((2,)), Box((1,), -1.0, 1.0)), 4, 1, 5, dropout=0.0)
    critic = lambda obs, action: jnp.array([2.0 * action[0] + obs[0], 9.0])  # noqa: E731
    return {"actor": make(KEY), "behaviour": make(jax.random.key(1)), "critic/slow": critic}


def test_all_samples_of_a_state_are_at_one_step_with_noise_of_their_own(parts: dict[str, Any]) -> None:
    draw = np.random.default_rng(0)
    batch = Batch(
        obs=jnp.asarray(draw.normal(size=(2, 2)), jnp.float32),
        action=jnp.asarray(draw.uniform(-1, 1, (2, 3, 1)), jnp.float32),
    )
    step = jax.random.randint(named(KEY, "step"), (2,), 0, 5)
    noise = jax.random.normal(named(KEY, "noise"), (2, 3, 1))
    rows = []
    for i in range(2):
        gap = []
        for j in range(3):
            noisy = parts["actor"].corrupt(batch.action[i, j], noise[i, j], step[i])
            mine, other = (log_density(parts[name], batch.obs[i], noisy, step[i]) for name in ("actor", "behaviour"))
            gap.append(0.5 * float(mine - other))
        wanted = np.exp(1.5 * 2.0 * np.asarray(batch.action[i, :, 0], np.float64))
        held = np.exp(gap) / np.exp(gap).sum()
        rows.append(-(wanted / wanted.sum() * np.log(held)).sum())
    loss, _ = align_density(1.5, 0.5)(parts, batch, KEY)
    np.testing.assert_allclose(loss, np.mean(rows), rtol=1e-5)
