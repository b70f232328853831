"""The losses on uneven use of experts: hand values, and laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from pilothouse.objectives.expert_balance import balance_loss, expert_importance, expert_load, squared_variation


def test_squared_variation_by_hand():
    assert float(squared_variation(jnp.array([1.0, 3.0]))) == pytest.approx(2.0 / 4.0)
    assert float(squared_variation(jnp.array([2.0, 2.0, 2.0]))) == 0
    assert float(squared_variation(jnp.array([5.0]))) == 0


def test_importance_and_load_equal_numpy():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(6, 3))
    noisy = scores + generator.normal(size=3) / 3
    shares = np.exp(noisy) / np.exp(noisy).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expert_importance(jnp.asarray(noisy)), shares.sum(axis=0), rtol=1e-5)
    load = sum(1 - norm.cdf(noisy[row].max() - scores[row], scale=1 / 3) for row in range(6))
    np.testing.assert_allclose(expert_load(jnp.asarray(scores), jnp.asarray(noisy), 1 / 3), load, rtol=1e-4)


def test_even_use_costs_nothing_and_collapse_costs_most():
    even = jnp.tile(jnp.eye(4) * 3.0, (2, 1))
    collapsed = jnp.tile(jnp.array([3.0, 0.0, 0.0, 0.0]), (8, 1))
    assert float(balance_loss(even, even, 0.25)) == pytest.approx(0.0, abs=1e-6)
    assert float(balance_loss(collapsed, collapsed, 0.25)) > 1.0


def test_its_gradient_spreads_use():
    scores = jax.random.normal(jax.random.key(0), (32, 4)) + jnp.array([2.0, 0.0, 0.0, 0.0])
    before = balance_loss(scores, scores, 0.25)
    grads = jax.grad(lambda s: balance_loss(s, s, 0.25))(scores)
    assert float(balance_loss(scores - 5.0 * grads, scores - 5.0 * grads, 0.25)) < float(before)
    assert float(grads[:, 0].sum()) > 0, "the router is pushed away from the expert that it picks too often"
