"""Advantages from groups of completions that share a prompt, as pure changes of a rollout `(steps, environments)`.

Environments stand group by group: `tries` neighbours share a prompt. Each function takes a rollout and returns it with
`advantage` or `weight` set; `in_turn` makes a rule of several.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax.scipy.special import betaln, xlog1py, xlogy
from jaxtyping import Array, Float

from pilothouse.core.batch import Batch

Stage = Callable[[Batch], Batch]


def group_rewards(rollout: Batch, tries: int) -> Float[Array, "group try"]:
    """The total reward of every completion, by group."""
    return rollout.reward.sum(axis=0).reshape(-1, tries)


def with_advantage(rollout: Batch, advantage: Float[Array, "group try"]) -> Batch:
    """Every token of a completion gets the completion's advantage."""
    wide = jnp.broadcast_to(advantage.reshape(-1), rollout.reward.shape)
    return rollout.replace(advantage=wide)


def less_group_mean(tries: int) -> Stage:
    """Reward less the group's mean (Dr. GRPO's advantage).

    **Source:** Liu et al., arXiv:2503.20783, section 3.
    """

    def stage(rollout: Batch) -> Batch:
        reward = group_rewards(rollout, tries)
        return with_advantage(rollout, reward - reward.mean(axis=1, keepdims=True))

    return stage


def over_group_deviation(tries: int, *, epsilon: float = 1e-4) -> Stage:
    """The advantage over the group's standard deviation (of the sample, Bessel's) plus epsilon.

    A group of equal rewards keeps advantage 0. **Source:** Shao et al. (GRPO), arXiv:2402.03300, section 4.1.2.
    """

    def stage(rollout: Batch) -> Batch:
        deviation = group_rewards(rollout, tries).std(axis=1, ddof=1, keepdims=True)
        return with_advantage(rollout, rollout.advantage[0].reshape(-1, tries) / (deviation + epsilon))

    return stage


def over_beta_density(tries: int) -> Stage:
    r"""The advantage over the density, at the group's rate of success p, of a Beta distribution fitted to all groups.

    For rewards of 0 or 1. With a and b the moment estimates of the Beta distribution of p over the groups of the
    rollout, the density is that of Beta(1 + a/3, 1 + b/3). Beta(1, 1) is REINFORCE with the group's mean, and
    Beta(3/2, 3/2), whose density is proportional to sqrt(p (1 - p)), is GRPO's division but for a factor. Where the
    rates do not differ between groups, or as widely as a coin's, there is no such distribution, and Beta(1, 1) is used.

    **Source:** Xiao, Zhang and Cao (BNPO), arXiv:2506.02864, section 3.
    """

    def stage(rollout: Batch) -> Batch:
        rate = group_rewards(rollout, tries).mean(axis=1)
        alpha, beta = beta_of_least_variance(rate)
        density = beta_density(rate, alpha, beta)
        # In a group of equal rewards the advantage is 0 and the density may be: keep it 0.
        safe = jnp.where(density > 0, density, 1.0)[:, None]
        return with_advantage(rollout, rollout.advantage[0].reshape(-1, tries) / safe)

    return stage


def beta_of_least_variance(rate: Float[Array, " group"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`(1 + a/3, 1 + b/3)` with a and b the moment estimates for these rates of success; (1, 1) if there are none."""
    mean, variance = rate.mean(), rate.var()
    both = mean * (1 - mean) / jnp.where(variance > 0, variance, 1.0) - 1
    exists = (variance > 0) & (both > 0)
    a, b = (jnp.where(exists, both * share, 0.0) for share in (mean, 1 - mean))
    return 1 + a / 3, 1 + b / 3


def beta_density(p: Float[Array, "*shape"], alpha: Float[Array, ""], beta: Float[Array, ""]) -> Float[Array, "*shape"]:
    """The density of a Beta distribution at p in [0, 1], for parameters of at least 1."""
    power = xlogy(alpha - 1, p) + xlog1py(beta - 1, -p)
    return jnp.exp(power - betaln(alpha, beta))


def less_length_weighted_mean(tries: int) -> Stage:
    """Reward less the group's mean weighed by completion length: the baseline of least variance, simplified.

    **Source:** Hao et al. (OPO), arXiv:2505.23585, equation 7.
    """

    def stage(rollout: Batch) -> Batch:
        reward = group_rewards(rollout, tries)
        length = rollout.valid.sum(axis=0).reshape(-1, tries).astype(jnp.float32)
        baseline = (length * reward).sum(axis=1, keepdims=True) / length.sum(axis=1, keepdims=True)
        return with_advantage(rollout, reward - baseline)

    return stage


def mean_over_tokens_then_sequences(rollout: Batch) -> Batch:
    """Weights by which a sum is the mean over sequences of the mean over their tokens (GRPO's). They sum to one."""
    valid = rollout.valid.astype(jnp.float32)
    return rollout.replace(weight=valid / jnp.maximum(valid.sum(axis=0), 1.0) / valid.shape[1])


def mean_over_tokens(rollout: Batch) -> Batch:
    """Weights by which a sum is the mean over all tokens drawn (DAPO's). They sum to one."""
    valid = rollout.valid.astype(jnp.float32)
    return rollout.replace(weight=valid / jnp.maximum(valid.sum(), 1.0))
