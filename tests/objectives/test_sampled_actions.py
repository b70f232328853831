"""Advantages over one's own draws: weights by hand, and what they do to cloning."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Gaussian, SquashedGaussian
from pilothouse.objectives import sampled_actions as sampled
from pilothouse.objectives.cloning import cloning_loss

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.zeros((2, 1)), next_obs=jnp.ones((2, 1)), action=jnp.array([[0.5], [-0.5]]), reward=jnp.array([1.0, 2.0]),
    discount=jnp.array([0.5, 0.0]),
)  # fmt: skip


class Sure(eqx.Module):
    """A normal actor of this mean, so narrow that its draws are its mean."""

    mean: Any

    def __call__(self, obs: Any) -> Gaussian:
        return Gaussian(self.mean, jnp.full(1, -20.0))


def test_draws_are_independent_and_their_densities_are_theirs() -> None:
    distribution = SquashedGaussian(jnp.array([[0.2, -1.0], [0.0, 0.5]]), jnp.full((2, 2), -0.5))
    drawn, log_prob = sampled.several(distribution, 3, KEY)
    assert drawn.shape == (3, 2, 2) and len(np.unique(np.asarray(drawn))) == 12
    alone = jnp.stack([distribution.log_prob(each) for each in drawn])
    np.testing.assert_allclose(log_prob, alone, rtol=1e-4)
    many, _ = sampled.several(distribution, 4_000, KEY)
    np.testing.assert_allclose(jnp.arctanh(many).mean(axis=0), distribution.mean, atol=0.05)


def test_weights_by_hand() -> None:
    q, drawn = jnp.array([2.0, 0.0]), jnp.array([[0.0, 0.0], [2.0, 2.0]])  # advantages 1 and -1
    e = math.e
    np.testing.assert_allclose(sampled.softmax_weights(0.5)(q, drawn), 2 * np.array([e**4, 1]) / (e**4 + 1), rtol=1e-5)
    np.testing.assert_allclose(sampled.exponential_weights(0.5)(q, drawn), [e**2, e**-2], rtol=1e-5)
    np.testing.assert_allclose(sampled.exponential_weights(0.5, 3.0)(q, drawn), [3.0, e**-2], rtol=1e-5)
    np.testing.assert_allclose(sampled.binary_weights()(q, drawn), [1.0, 0.0])
    np.testing.assert_allclose(sampled.binary_weights("max")(jnp.array([2.5, 1.5]), drawn), [1.0, 0.0])
    # Values that are all moved alike change no weight.
    for weigh in (sampled.softmax_weights(0.5), sampled.exponential_weights(0.5), sampled.binary_weights()):
        np.testing.assert_allclose(weigh(q + 7, drawn + 7), weigh(q, drawn), rtol=1e-4)


def test_targets_are_at_what_the_actor_draws_within_the_bounds() -> None:
    # The draw is 3, moved to 1: slow values 10 and 4; targets 1 + 0.5 * 4 = 3, and 2 where it ended.
    parts = {
        "actor": Sure(jnp.array([3.0])),
        "critic/slow": lambda obs, action: jnp.array([10.0, 4.0]) * action[0],
        "critic": lambda obs, action: jnp.array([3.0, 5.0]),
    }
    loss, aux = sampled.td_at_drawn()(parts, BATCH, KEY)
    np.testing.assert_allclose(loss, ((0 + 4) + (1 + 9)) / 2, rtol=1e-5)
    np.testing.assert_allclose(aux["critic/target_mean"], 2.5, rtol=1e-5)


def test_cloning_by_the_lower_member_and_no_gradient_through_weights() -> None:
    parts = {"critic": lambda obs, action: jnp.array([action[0] * 2, 99.0])}

    def loss(mean: Any) -> Any:
        return sampled.clone_by_drawn(sampled.exponential_weights(1.0), 2)({**parts, "actor": Sure(mean)}, BATCH, KEY)[
            0
        ]

    def by_hand(mean: Any) -> Any:
        # Own value 0; advantages 1 and -1.
        each = cloning_loss(jax.vmap(Sure(mean))(BATCH.obs), BATCH.action)
        return (math.e * each[0] + each[1] / math.e) / 2

    mean = jnp.zeros(1)
    np.testing.assert_allclose(loss(mean), by_hand(mean), rtol=1e-4)
    np.testing.assert_allclose(jax.grad(loss)(mean), jax.grad(by_hand)(mean), rtol=1e-4)
