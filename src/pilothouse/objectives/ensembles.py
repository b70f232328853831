"""Losses of critics with many members: targets from a few of them drawn at random, and a policy that climbs their mean."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.temporal_difference import soft_target, squared_td_loss
from pilothouse.objectives.weighting import average


def some_members(values: Float[Array, "*batch members"], subset: int, key: PRNGKeyArray) -> Float[Array, "*batch some"]:
    """`subset` members, drawn without replacement and once for the whole batch. All of them, if there are no more."""
    members = values.shape[-1]
    if subset >= members:
        return values
    return values[..., jax.random.permutation(key, members)[:subset]]


def soft_td_of_some(
    subset: int,
    *,
    entropy: bool = True,
    actor: str = "actor",
    critic: str = "critic",
    slow: str = "critic/slow",
    log_alpha: str = "log_alpha",
) -> Loss:
    """SAC's critic loss with many members: the target is the lowest of `subset` of the slow ones. Trains `critic`.

    Without `entropy` the target is the value alone, and the policy's entropy is no reward. Draws `next_action`, `members`.

    **Source:** Chen, Wang, Zhou and Ross (REDQ), arXiv:2101.05982, equation 1; without entropy, Ball et al. (RLPD),
    arXiv:2302.02948, section 4.3.
    """

    def soft(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        following = jax.vmap(parts[actor])(batch.next_obs)
        next_action, next_log_prob = following.sample_and_log_prob(named(key, "next_action"))
        next_q = some_members(jax.vmap(parts[slow])(batch.next_obs, next_action), subset, named(key, "members"))
        alpha = jnp.exp(parts[log_alpha]) * entropy
        target = soft_target(batch.reward, batch.discount, next_q, next_log_prob, alpha)
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        about = {f"{critic}/q_mean": q.mean(), f"{critic}/target_mean": target.mean()}
        return 0.5 * average(batch, squared_td_loss(q, target)), about

    return soft


def soft_policy_on_mean(
    parts: Parts,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    actor: str = "actor",
    critic: str = "critic",
    log_alpha: str = "log_alpha",
) -> tuple[Scalar, Aux]:
    """SAC's actor loss on the mean of all members. Trains `actor`; draws `action`.

    **Source:** Chen, Wang, Zhou and Ross (REDQ), arXiv:2101.05982, algorithm 1, line 10.
    """
    action, log_prob = jax.vmap(parts[actor])(batch.obs).sample_and_log_prob(named(key, "action"))
    q = jax.vmap(parts[critic])(batch.obs, action).mean(axis=-1)
    loss = average(batch, jnp.exp(parts[log_alpha]) * log_prob - q)
    return loss, {f"{actor}/entropy": -log_prob.mean(), f"{actor}/q_mean": q.mean()}
