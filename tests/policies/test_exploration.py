"""Noise and chance: how much, within which bounds, and never what is forbidden."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.spaces import MASK
from pilothouse.networks.distributions import Deterministic
from pilothouse.policies.exploration import GaussianExploration, Greedy, epsilon_greedy, greedy, noisy

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 4000)


def actor(obs: Any) -> Deterministic:
    return Deterministic(obs)


def values(obs: Any) -> Any:
    return jnp.array([0.0, 2.0, 1.0, 3.0])


def drawn(policy: Any, obs: Any) -> np.ndarray:
    return np.asarray(jax.vmap(lambda key: policy(obs, (), key)[0])(KEYS))


def test_noise_is_normal_around_the_mode_and_cut_at_the_bounds() -> None:
    found = drawn(GaussianExploration(actor, 0.1), jnp.array([0.0, 0.95]))
    # Standard errors over 4000 draws: 0.1 / 63 of the mean, 0.1 / 89 of the deviation.
    assert abs(found[:, 0].mean()) < 5 * 0.1 / 63 and abs(found[:, 0].std() - 0.1) < 5 * 0.1 / 89
    assert abs(np.corrcoef(found[:, 0], np.minimum(found[:, 1], 0.99))[0, 1]) < 5 / 63
    assert found.max() == 1.0 and found.min() >= -1.0
    # 0.95 + 0.1 z > 1 where z > 1/2: 30.85% of draws, here with a standard error of 0.73%.
    assert abs((found[:, 1] == 1.0).mean() - 0.3085) < 5 * 0.0073


def test_without_noise_it_is_the_mode() -> None:
    parts = {"actor": actor}
    np.testing.assert_array_equal(noisy("actor", 0.0)(parts)(jnp.array([0.3]), (), KEY)[0], jnp.float32(0.3))


def test_greedy_takes_the_best_that_is_allowed() -> None:
    policy = greedy("q")({"q": values})
    assert int(policy(jnp.zeros(1), (), KEY)[0]) == 3
    assert int(policy({MASK: jnp.array([1.0, 1.0, 1.0, 0.0])}, (), KEY)[0]) == 1
    low = Greedy(lambda obs: jnp.array([-5.0, -1.0, -9.0]))
    assert int(low({MASK: jnp.array([1, 0, 1])}, (), KEY)[0]) == 0  # a forbidden 0 would beat every negative value


@pytest.mark.parametrize("mask", [None, [1.0, 0.0, 1.0, 1.0]])
def test_epsilon_shares_itself_among_all_allowed_choices(mask: list[float] | None) -> None:
    obs = jnp.zeros(1) if mask is None else {MASK: jnp.array(mask)}
    allowed = np.ones(4) if mask is None else np.array(mask)
    found = np.bincount(drawn(Greedy(values, 0.4), obs), minlength=4) / len(KEYS)
    expected = 0.4 * allowed / allowed.sum() + 0.6 * (np.arange(4) == 3)  # any choice, the best among them
    np.testing.assert_allclose(found, expected, atol=5 * np.sqrt(0.25 / len(KEYS)))
    assert (found[allowed == 0] == 0).all()


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 1.0), (0.25, 0.525), (0.5, 0.05), (1.0, 0.05), (None, 1.0)])
def test_epsilon_falls_over_its_share_of_the_run(progress: float | None, expected: float) -> None:
    """From 1 to 0.05 over the first half; at a quarter half-way, (1 + 0.05) / 2. Without a clock it has not begun."""
    parts: dict[str, Any] = {"q": values}
    if progress is not None:
        parts["clock"] = {"progress": jnp.float32(progress)}
    policy = epsilon_greedy("q", 1.0, 0.05, 0.5)(parts)
    assert isinstance(policy, Greedy)
    np.testing.assert_allclose(policy.epsilon, expected, rtol=1e-6)
