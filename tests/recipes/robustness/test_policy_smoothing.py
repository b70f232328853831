"""The mechanism: the noise that is certified is the noise that the policy acts under, over the whole episode."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.guard.certificates import certified_mean
from pilothouse.policies.policy import Memoryless
from pilothouse.recipes.robustness.policy_smoothing import policy_smoothing


class Sign(Memoryless):
    def __call__(self, obs, carry, key):
        return (obs[0] > 0).astype(jnp.int32), carry, {}


def share(policy, obs: float) -> float:
    keys = jax.random.split(jax.random.key(0), 20_000)
    return float(jax.vmap(lambda key: policy(jnp.array([obs]), (), key)[0])(keys).mean())


def test_smoothing_is_what_makes_the_certificate_true() -> None:
    """One step, one threshold: a return of 1 for the action 1, at 0.3 above the threshold, under a move of 0.4."""
    sigma, budget = 0.2, 0.4
    smoothed = policy_smoothing(sigma=sigma).build(Spec(Box((1,)), Discrete(2)))(Sign())
    returns = np.zeros(20_000)
    returns[: int(20_000 * share(smoothed, 0.3))] = 1.0
    bound = certified_mean(returns, budget=budget, sigma=sigma)
    attacked = share(smoothed, 0.3 - budget)
    assert 0.2 < bound <= attacked + 0.02 and attacked < 0.4
    # The baseline, the policy as it was, earns 1 and falls to 0: no bound above 0 is true of it.
    assert share(Sign(), 0.3) == 1.0 and share(Sign(), 0.3 - budget) == 0.0 < bound
