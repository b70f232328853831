"""Losses of generated actions: by hand with made-up generators and critics, and what their gradients reach."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.generative import denoising_actor, variance_preserving
from pilothouse.objectives.generated import chain_policy, generated_td, one_shot_policy, value_of_member

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.array([[0.1], [0.2]]),
    next_obs=jnp.array([[0.3], [0.4]]),
    action=jnp.array([[0.5], [-0.5]]),
    reward=jnp.array([1.0, 2.0]),
    discount=jnp.array([0.5, 0.0]),
)


class Echo(eqx.Module):
    """Acts as it observes."""

    def sample(self, obs: Any, key: Any) -> Any:
        return obs


class Sum(eqx.Module):
    """Two members: weight times (obs + action), and twice that."""

    weight: Any

    def __call__(self, obs: Any, action: Any) -> Any:
        total = self.weight * (obs[0] + action[0])
        return jnp.stack([total, 2 * total])


def test_the_target_is_the_lowest_value_of_the_generated_action() -> None:
    parts = {"generator": Echo(), "critic": Sum(1.0), "critic/slow": Sum(10.0)}
    loss, _ = generated_td(lambda parts: parts["generator"])(parts, BATCH, KEY)
    # Targets 1 + 0.5 * 10 * 0.6 = 4 and 2. Predictions (0.6, 1.2) and (-0.3, -0.6).
    expected = np.mean([(0.6 - 4) ** 2 + (1.2 - 4) ** 2, 2.3**2 + 2.6**2])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_value_is_in_units_of_its_own_size_and_of_one_member() -> None:
    q = jnp.array([[1.0, -8.0], [3.0, -2.0]])
    found = {float(value_of_member(q, BATCH, 2.0, jax.random.key(seed))) for seed in range(20)}
    assert found == {2.0, -2.0}  # 2 * mean / mean size: all of one sign
    both = jnp.array([[1.0], [-3.0]])
    np.testing.assert_allclose(value_of_member(both, BATCH, 1.0, KEY), -0.5)
    slope = jax.grad(lambda q: value_of_member(q, BATCH, 1.0, KEY))(both)
    np.testing.assert_allclose(slope, [[0.25], [0.25]])  # half over 2, and none through the size


def actor(steps: int = 3) -> Any:
    return denoising_actor(Spec(Box((1,)), Box((1,), -1.0, 1.0)), 4, 1, steps, dropout=0.0)(KEY)


def test_guidance_stands_at_the_action_that_the_predicted_noise_implies() -> None:
    network = actor()
    network = eqx.tree_at(lambda a: a.network, network, lambda features, noisy, step, key: 0.5 * noisy)
    parts = {"actor": network, "critic": Sum(1.0)}
    found, aux = one_shot_policy(1.0)(parts, BATCH, KEY)
    step = jax.random.randint(named(KEY, "step"), (2,), 0, 3)
    noise = np.asarray(jax.random.normal(named(KEY, "noise"), (2, 1)))
    kept = variance_preserving(3)[1][step][:, None]
    noisy = np.sqrt(kept) * np.asarray(BATCH.action) + np.sqrt(1 - kept) * noise
    clean = np.clip((noisy - np.sqrt(1 - kept) * 0.5 * noisy) / np.sqrt(kept), -1, 1)
    q = np.asarray(BATCH.obs)[:, 0] + clean[:, 0]
    expected = np.mean((0.5 * noisy - noise) ** 2) - q.mean() / np.abs(q).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(aux["actor/noise_loss"], np.mean((0.5 * noisy - noise) ** 2), rtol=1e-5)


def test_both_ways_lead_the_actor_uphill_and_alone_clone() -> None:
    network, uphill = actor(), {"critic": Sum(1.0)}
    many = jax.tree.map(lambda x: jnp.tile(x, (16, *[1] * (x.ndim - 1))), BATCH)  # some are not held at the edge

    def slope(loss: Any) -> Any:
        return jax.grad(lambda bias: loss({**uphill, "actor": moved(bias)}, many, KEY)[0])(jnp.zeros(1))

    def moved(bias: Any) -> Any:
        return eqx.tree_at(lambda a: a.network.last.bias, network, network.network.last.bias + bias)

    for make in (one_shot_policy, chain_policy):
        plain, led = slope(make(0.0)), slope(make(5.0))
        # More noise believed in is a lower action, and the value rises with the action: guidance pushes the bias down,
        # so that it adds to the loss's slope.
        assert led[0] > plain[0]
    cloned = [make(0.0)({**uphill, "actor": network}, BATCH, KEY)[0] for make in (one_shot_policy, chain_policy)]
    np.testing.assert_allclose(cloned[0], cloned[1], rtol=1e-6)
