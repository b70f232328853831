"""Advantages from groups of completions that share a prompt, as pure changes of a rollout `(steps, environments)`.

Environments stand group by group: `tries` neighbours share a prompt. Each function takes a rollout and returns it with
`advantage` or `weight` set; `in_turn` makes a rule of several.
"""

from collections.abc import Callable

import jax.numpy as jnp
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
