import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives import group_advantages as groups

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
