import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.objectives import group_advantages as groups
from pilothouse.objectives.group_advantages import (
    beta_density,
    beta_of_least_variance,
    less_group_mean,
    over_beta_density,
)

# Two groups of three completions over two steps. Rewards come at the end; lengths are 1 2 2 | 2 1 1.
VALID = jnp.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0]], bool)
REWARD = jnp.array([[1, 0, 0, 0, 0, 1.0], [0, 1, 0, 0, 0, 0]])
ROLLOUT = Batch(valid=VALID, reward=REWARD)


def test_less_group_mean_by_hand() -> None:
    # Group one earns 1 1 0 (mean 2/3), group two 0 0 1 (mean 1/3).
    got = groups.less_group_mean(3)(ROLLOUT).advantage
    np.testing.assert_allclose(got[0], [1 / 3, 1 / 3, -2 / 3, -1 / 3, -1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_array_equal(got[0], got[1])


def test_over_group_deviation_by_hand() -> None:
    # The sample variance of (1, 1, 0) is (1/9 + 1/9 + 4/9) / 2 = 1/3, its root 0.57735; (1/3) / 0.57745 = 0.57725.
    got = groups.over_group_deviation(3)(groups.less_group_mean(3)(ROLLOUT)).advantage
    np.testing.assert_allclose(got[0, :3], [0.57725, 0.57725, -1.15450], atol=1e-4)


def test_a_group_of_equal_rewards_has_no_advantage() -> None:
    same = Batch(valid=VALID, reward=jnp.ones((2, 6)) / 2)
    got = groups.over_group_deviation(3)(groups.less_group_mean(3)(same)).advantage
    np.testing.assert_array_equal(got, np.zeros((2, 6)))


def test_length_weighted_baseline_by_hand() -> None:
    # Group one: lengths 1 2 2, rewards 1 1 0: baseline (1 + 2) / 5 = 0.6. Group two: 2 1 1, 0 0 1: 1 / 4.
    got = groups.less_length_weighted_mean(3)(ROLLOUT).advantage
    np.testing.assert_allclose(got[0], [0.4, 0.4, -0.6, -0.25, -0.25, 0.75], rtol=1e-6)


def test_with_equal_lengths_the_weighted_baseline_is_the_mean() -> None:
    equal = ROLLOUT.replace(valid=jnp.ones((2, 6), bool))
    weighted, plain = (f(3)(equal).advantage for f in (groups.less_length_weighted_mean, groups.less_group_mean))
    np.testing.assert_allclose(weighted, plain, atol=1e-6)


def test_weights_sum_to_one_and_are_zero_where_nothing_was_drawn() -> None:
    by_sequence = groups.mean_over_tokens_then_sequences(ROLLOUT).weight
    by_token = groups.mean_over_tokens(ROLLOUT).weight
    for weight in (by_sequence, by_token):
        np.testing.assert_allclose(weight.sum(), 1.0, rtol=1e-6)
        assert (weight[~VALID] == 0).all()
    np.testing.assert_allclose(by_sequence[:, 0], [1 / 6, 0], rtol=1e-6)
    np.testing.assert_allclose(by_sequence[:, 1], [1 / 12, 1 / 12], rtol=1e-6)
    np.testing.assert_allclose(by_token[0, 0], 1 / 9, rtol=1e-6)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.5, 1.5), (2.0, 5.0)])
def test_beta_density_integrates_to_one(alpha: float, beta: float) -> None:
    p = (jnp.arange(20_000) + 0.5) / 20_000
    density = beta_density(p, jnp.float32(alpha), jnp.float32(beta))
    np.testing.assert_allclose(density.mean(), 1.0, rtol=1e-3)


def test_beta_normalisation_by_hand_and_its_two_special_cases() -> None:
    p = jnp.array([0.1, 0.25, 0.5, 0.9])
    np.testing.assert_allclose(
        beta_density(p, jnp.float32(1), jnp.float32(1)), 1.0, rtol=1e-5
    )  # REINFORCE: divided by one
    ratio = beta_density(p, jnp.float32(1.5), jnp.float32(1.5)) / jnp.sqrt(p * (1 - p))
    np.testing.assert_allclose(ratio, 8 / np.pi, rtol=1e-5)  # GRPO: the deviation, but for a factor
    # Rates 1/4 and 3/4: mean 1/2, variance 1/16, so a + b = (1/4)/(1/16) - 1 = 3, a = b = 3/2: Beta(3/2, 3/2).
    alpha, beta = beta_of_least_variance(jnp.array([0.25, 0.75]))
    np.testing.assert_allclose([alpha, beta], 1.5, rtol=1e-6)
    for rate in ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0]):  # no such distribution
        np.testing.assert_allclose(beta_of_least_variance(jnp.array(rate)), 1.0)
    reward = jnp.array([[1, 0, 0, 0, 1, 1, 1, 0]], jnp.float32)  # two groups of four: rates 1/4 and 3/4
    found = over_beta_density(4)(less_group_mean(4)(Batch(reward=reward, valid=reward >= 0))).advantage
    density = 8 / np.pi * np.sqrt(3 / 16)
    np.testing.assert_allclose(found[0, :4], np.array([0.75, -0.25, -0.25, -0.25]) / density, rtol=1e-5)
    equal = over_beta_density(2)(
        less_group_mean(2)(Batch(reward=jnp.array([[1.0, 1, 0, 1]]), valid=jnp.ones((1, 4), bool)))
    )
    assert np.isfinite(equal.advantage).all() and not np.any(equal.advantage[0, :2])
