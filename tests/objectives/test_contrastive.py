"""Comparing rows of a batch gives the ratio of two densities."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.objectives.contrastive import log_density_ratio


def test_by_hand() -> None:
    # Row 0: 1 - log((e^1 + e^0) / 2) = 1 - 0.620115; row 1: 0 - log((e^2 + e^0) / 2) = -1.433781.
    scores = jnp.array([[1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_allclose(log_density_ratio(scores), [0.379885, -1.433781], rtol=1e-5)


def test_scores_of_a_row_may_all_be_raised_and_a_sure_match_earns_log_n() -> None:
    scores = jax.random.normal(jax.random.key(0), (5, 5))
    raised = scores + jnp.arange(5.0)[:, None]
    np.testing.assert_allclose(log_density_ratio(raised), log_density_ratio(scores), atol=1e-5)
    np.testing.assert_allclose(log_density_ratio(100.0 * jnp.eye(5)), np.log(5), atol=1e-5)


def test_the_true_log_ratio_as_score_gives_the_mutual_information() -> None:
    # A fair coin seen through a channel that flips it one time in ten: log 2 - entropy(0.1) = 0.368064 nats.
    coin = np.arange(200) % 2
    seen = np.where(np.arange(200) // 2 % 10 == 0, 1 - coin, coin)
    scores = jnp.log(jnp.where(coin[:, None] == seen[None], 0.9, 0.1) / 0.5)
    np.testing.assert_allclose(log_density_ratio(scores).mean(), 0.368064, rtol=1e-4)
    assert float(log_density_ratio(2 * scores).mean()) < 0.368 > float(log_density_ratio(0.5 * scores).mean())
