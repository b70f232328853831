"""Keeping every expert of a sparse mixture in use: the losses on how evenly the router spreads what it sees."""

import jax
import jax.numpy as jnp
import jax.scipy.stats
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.policy_gradient import soft_policy_loss
from pilothouse.objectives.weighting import average


def squared_variation(values: Float[Array, " experts"]) -> Scalar:
    """The square of standard deviation (divisor n - 1) over mean; 0 where all are equal, or there is one."""
    if len(values) < 2:
        return jnp.zeros(())
    return jnp.var(values, ddof=1) / jnp.square(values.mean())


def expert_importance(noisy: Float[Array, "batch experts"]) -> Float[Array, " experts"]:
    """The sum over the batch of the probabilities that noisy router logits give each expert."""
    return jax.nn.softmax(noisy, axis=-1).sum(axis=0)


def expert_load(
    scores: Float[Array, "batch experts"], noisy: Float[Array, "batch experts"], scale: float | Array
) -> Float[Array, " experts"]:
    """A smooth count of the rows that each expert would be picked for: the sum over the batch of the chance that its
    logit, with fresh normal noise of deviation `scale`, exceeds the highest of the noisy logits.
    """
    beyond = noisy.max(axis=-1, keepdims=True) - scores
    return (1.0 - jax.scipy.stats.norm.cdf(beyond / scale)).sum(axis=0)


def balance_loss(
    scores: Float[Array, "batch experts"], noisy: Float[Array, "batch experts"], scale: float | Array
) -> Scalar:
    """Half the squared variation of importance and half that of load: 0 where experts are used alike.

    **Source:** Riquelme et al., "Scaling Vision with Sparse Mixture of Experts", arXiv:2106.05974, appendix A, with the
    noise that is drawn as the authors of SMOSE have it.
    """
    return 0.5 * squared_variation(expert_importance(noisy)) + 0.5 * squared_variation(
        expert_load(scores, noisy, scale)
    )


def balanced_soft_policy(
    balance: float | Array, *, actor: str = "actor", critic: str = "critic", log_alpha: str = "log_alpha"
) -> Loss:
    """SAC's actor loss through a router with noise, plus `balance` times `balance_loss`. Trains `actor`.

    Draws `router` (one normal vector of deviation 1 / experts for the whole batch) and `action`.
    """

    def objective(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        experts = parts[actor].experts
        noise = jax.random.normal(named(key, "router"), (experts,)) / experts
        said = jax.vmap(lambda obs: parts[actor](obs, noise))(batch.obs)
        action, log_prob = said.sample_and_log_prob(named(key, "action"))
        q = jax.vmap(parts[critic])(batch.obs, action)
        scores = jax.vmap(parts[actor].scores)(batch.obs)
        uneven = balance_loss(scores, scores + noise, 1.0 / experts)
        loss = average(batch, soft_policy_loss(log_prob, q, jnp.exp(parts[log_alpha])))
        picked = jnp.bincount(jnp.argmax(scores, axis=-1), length=experts) / len(scores)
        entropy = -jnp.sum(jnp.where(picked > 0, picked * jnp.log(jnp.maximum(picked, 1e-12)), 0.0))
        aux = {f"{actor}/entropy": -log_prob.mean(), f"{actor}/usage_entropy": entropy, f"{actor}/uneven": uneven}
        return loss + balance * uneven, aux

    return objective
