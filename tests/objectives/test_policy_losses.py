"""Losses of policies and state values: values by hand, and which way they pull."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Categorical, Deterministic, Gaussian
from pilothouse.objectives import cloning, divergence, expectile, policy_gradient, terms
from pilothouse.objectives.reconstruction import prior_divergence_loss
from pilothouse.objectives.weighting import average

KEY = jax.random.key(0)


def test_sac_s_two_losses_by_hand() -> None:
    # alpha 2, log-probability -1, lower value 3: -2 - 3 = -5
    found = policy_gradient.soft_policy_loss(jnp.array([-1.0]), jnp.array([[3.0, 4.0]]), jnp.float32(2.0))
    np.testing.assert_allclose(found, [-5.0])
    # Entropy 1 below a target of 3: alpha should rise, so the slope in log alpha is negative: -(-1 + 3) = -2.
    slope = jax.grad(lambda a: policy_gradient.temperature_loss(a, jnp.array([-1.0]), target=3.0).sum())(0.0)
    np.testing.assert_allclose(slope, -2.0)


def test_the_clipped_surrogate_is_flat_only_where_leaving_pays() -> None:
    def slope(ratio: float, advantage: float) -> float:
        loss = lambda p: policy_gradient.clipped_surrogate_loss(p, jnp.zeros(()), jnp.float32(advantage), clip=0.2)  # noqa: E731
        return float(jax.grad(loss)(jnp.log(jnp.float32(ratio))))

    assert slope(1.3, 1.0) == 0 and slope(0.7, -1.0) == 0
    np.testing.assert_allclose([slope(0.7, 1.0), slope(1.3, -1.0), slope(1.0, 2.0)], [-0.7, 1.3, -2.0], rtol=1e-5)
    value = policy_gradient.clipped_surrogate_loss(jnp.log(1.5), jnp.zeros(()), jnp.float32(2.0), clip=0.2)
    np.testing.assert_allclose(value, -2.4, rtol=1e-6)


def test_normalised_advantages_by_hand_and_over_valid_rows_only() -> None:
    # Mean 2, sample deviation sqrt((1 + 0 + 1) / 2) = 1
    np.testing.assert_allclose(policy_gradient.normalised(jnp.array([1.0, 2.0, 3.0])), [-1, 0, 1], atol=1e-6)
    found = policy_gradient.normalised(jnp.array([1.0, 2.0, 3.0, 99.0]), jnp.array([True, True, True, False]))
    np.testing.assert_allclose(found, [-1, 0, 1, 0], atol=1e-6)


def test_expectiles_by_hand_and_their_minimisers() -> None:
    # target above by 2: 0.9 * 4; below by 2: 0.1 * 4
    found = expectile.expectile_loss(jnp.zeros(2), jnp.array([2.0, -2.0]), expectile=0.9)
    np.testing.assert_allclose(found, [3.6, 0.4], rtol=1e-6)
    np.testing.assert_allclose(expectile.quantile_loss(jnp.zeros(2), jnp.array([2.0, -2.0]), quantile=0.9), [1.8, 0.2])
    targets = jnp.asarray(np.random.default_rng(0).normal(size=2000).astype("f4"))
    grid = jnp.linspace(-3, 3, 601)

    def best(loss: Any) -> float:
        return float(grid[jnp.argmin(jax.vmap(lambda v: loss(jnp.full_like(targets, v), targets).mean())(grid))])

    np.testing.assert_allclose(
        best(lambda v, t: expectile.expectile_loss(v, t, expectile=0.5)), targets.mean(), atol=0.01
    )
    np.testing.assert_allclose(
        best(lambda v, t: expectile.quantile_loss(v, t, quantile=0.8)), np.quantile(targets, 0.8), atol=0.02
    )
    soft = np.log(np.mean(np.exp(np.asarray(targets))))  # the soft maximum
    np.testing.assert_allclose(best(lambda v, t: expectile.exponential_loss(v, t, sharpness=1.0)), soft, atol=0.02)
    rising = [best(lambda v, t, e=e: expectile.expectile_loss(v, t, expectile=e)) for e in (0.5, 0.7, 0.9, 0.99)]
    assert rising == sorted(rising) and rising[-1] < float(targets.max())


def test_cloning_by_hand() -> None:
    np.testing.assert_allclose(cloning.squared_action_loss(jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 2.0]])), [2.5])
    np.testing.assert_allclose(cloning.advantage_weight(jnp.array([0.0, 1.0, 9.0]), sharpness=3.0), [1, np.exp(3), 100])
    batch = Batch(obs=jnp.zeros((1, 1)), action=jnp.array([[0.5]]), reward=jnp.zeros(1))
    standard = {"actor": lambda obs: Gaussian(jnp.zeros(1), jnp.zeros(1))}
    np.testing.assert_allclose(cloning.clone(standard, batch, KEY)[0], 0.5 * np.log(2 * np.pi) + 0.125, rtol=1e-6)
    fixed = {"actor": lambda obs: Deterministic(jnp.ones(1))}
    np.testing.assert_allclose(cloning.clone(fixed, batch, KEY)[0], 0.25)
    # IQL: advantage 2 - 1 = 1, weight e^3 on a squared error of 0.25
    parts = fixed | {"critic/slow": lambda obs, action: jnp.array([2.0, 5.0]), "value": lambda obs: jnp.float32(1.0)}
    np.testing.assert_allclose(cloning.clone_by_advantage(3.0)(parts, batch, KEY)[0], np.exp(3) / 4, rtol=1e-5)
    # TD3+BC: 0.25 - 2.5 * 4 / 4
    parts = fixed | {"critic": lambda obs, action: jnp.array([4.0 * action[0], 0.0])}
    np.testing.assert_allclose(cloning.td3_bc(2.5)(parts, batch, KEY)[0], 0.25 - 2.5)


def test_the_prior_s_divergence_by_hand() -> None:
    # std 1, mean 2: (1 + 4 - 1) / 2 = 2; std e, mean 0: (e^2 - 1) / 2 - 1
    found = prior_divergence_loss(jnp.array([[2.0], [0.0]]), jnp.array([[0.0], [1.0]]))
    np.testing.assert_allclose(found, [2.0, (np.e**2 - 1) / 2 - 1], rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_divergences_are_not_negative_and_their_estimates_agree(seed: int) -> None:
    keys = jax.random.split(jax.random.key(seed), 3)
    log_p, log_q = (jax.nn.log_softmax(jax.random.normal(key, (5,))) for key in keys[:2])
    exact = float(divergence.categorical_kl(log_p, log_q))
    assert exact >= 0 and abs(float(divergence.categorical_kl(log_p, log_p))) < 1e-6
    drawn = jax.random.categorical(keys[2], log_p, shape=(20_000,))
    k1, k3 = (estimate(log_p[drawn], log_q[drawn]) for estimate in (divergence.k1, divergence.k3))
    assert float(k3.min()) >= 0
    np.testing.assert_allclose(k1.mean(), exact, atol=5 * float(k1.std()) / 141)
    np.testing.assert_allclose(k3.mean(), exact, atol=5 * float(k3.std()) / 141)


def test_terms_weigh_and_name_what_they_add() -> None:
    batch = Batch(
        obs=jnp.zeros((2, 1)), action=jnp.array([0, 1]), log_prob=jnp.log(jnp.array([0.5, 0.5])),
        advantage=jnp.array([1.0, -1.0]), return_=jnp.array([1.0, 3.0]), value=jnp.zeros(2),
    )  # fmt: skip
    agent = lambda obs: (Categorical(jnp.zeros(2)), jnp.float32(2.0))  # noqa: E731
    before = lambda obs: (Categorical(jnp.array([0.0, 1.0])), jnp.float32(0.0))  # noqa: E731
    parts = {"agent": agent, "before": before, "beta": jnp.float32(3.0)}
    forward = terms.evaluate("agent", beside="before")
    entropy = np.log(2)

    def total(*weighted: Any) -> float:
        return float(terms.terms(forward, *weighted)(parts, batch, KEY)[0])

    np.testing.assert_allclose(total((terms.squared_value_error, 0.5)), 0.5 * (1 + 1) / 2)
    np.testing.assert_allclose(total((terms.negative_entropy, 0.1)), -0.1 * entropy, rtol=1e-5)
    np.testing.assert_allclose(total((terms.importance_weighted(), 1.0)), 0.0, atol=1e-6)
    np.testing.assert_allclose(total((terms.likelihood_weighted, 1.0)), 0.0, atol=1e-6)
    np.testing.assert_allclose(total((terms.clipped_value_error(0.5), 1.0)), ((0.5 - 1) ** 2 * 0 + 1 + 2.5**2) / 2)
    q = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    live_to_before = (0.5 * np.log(0.5 / q)).sum()
    before_to_live = (q * np.log(q / 0.5)).sum()
    np.testing.assert_allclose(total((terms.kl_to_beside, lambda p: p["beta"])), 3 * live_to_before, rtol=1e-5)
    np.testing.assert_allclose(total((terms.kl_from_beside, 1.0)), before_to_live, rtol=1e-5)
    np.testing.assert_allclose(total((terms.mirror_descent(2.0), 1.0)), live_to_before / 2, rtol=1e-5, atol=1e-6)


def test_averages_by_weight_by_validity_and_plainly() -> None:
    loss = jnp.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(average(Batch(x=loss), loss), 3.0)
    np.testing.assert_allclose(average(Batch(valid=jnp.array([True, True, False])), loss), 1.5)
    np.testing.assert_allclose(average(Batch(weight=jnp.array([0.5, 0.0, 0.5])), loss), 3.5)
