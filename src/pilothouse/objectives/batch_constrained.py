"""Q-learning that considers only the actions which the data make likely enough (discrete BCQ)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.encoders import mask_in
from pilothouse.objectives.temporal_difference import chosen, greedy_value, huber_td_loss
from pilothouse.objectives.weighting import average


def eligible(log_probs: Float[Array, "*batch choices"], threshold: float | Array) -> Bool[Array, "*batch choices"]:
    """Which choices are more than `threshold` times as likely as the likeliest, which always is itself.

    Threshold 0 lets all through (Q-learning), 1 only the likeliest (cloning).

    **Source:** Fujimoto, Conti, Ghavamzadeh and Pineau, arXiv:1910.01708, equation 18.
    """
    ratio = jnp.exp(log_probs - log_probs.max(axis=-1, keepdims=True))
    return (ratio > threshold) | (ratio >= 1.0)


def bcq_td(
    threshold: float | Array = 0.3,
    delta: float = 1.0,
    *,
    actor: str = "actor",
    critic: str = "critic",
    slow: str = "critic/slow",
) -> Loss:
    """Discrete BCQ's critic loss: the live critic chooses among eligible next actions, the slow one values the choice.

    Trains `critic`; reads `actor`, which clones the data and gives a categorical distribution. Draws nothing.

    **Source:** Fujimoto et al., arXiv:1910.01708, equations 18 and 19.
    """

    def bcq(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        allowed = eligible(jax.vmap(parts[actor])(batch.next_obs).log_probs, threshold)
        mask = mask_in(batch.next_obs)
        allowed = allowed if mask is None else allowed & mask
        chooser, values = jax.vmap(parts[critic])(batch.next_obs), jax.vmap(parts[slow])(batch.next_obs)
        target = batch.reward + batch.discount * greedy_value(values, chooser, allowed)
        q = chosen(jax.vmap(parts[critic])(batch.obs), batch.action)
        loss = average(batch, huber_td_loss(q, target, delta=delta))
        return loss, {f"{critic}/q_mean": q.mean(), f"{critic}/eligible": allowed.mean()}

    return bcq
