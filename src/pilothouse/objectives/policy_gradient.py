"""Losses that improve a policy: through a critic's gradient, or by the likelihood of actions taken."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.weighting import average


def soft_policy_loss(
    log_prob: Float[Array, " batch"], q: Float[Array, "batch members"], alpha: Float[Array, ""]
) -> Float[Array, " batch"]:
    """`alpha * log_prob - lowest q`, to be minimised through reparameterised actions.

    **Source:** Haarnoja et al., arXiv:1812.05905, equation 9.
    """
    return alpha * log_prob - q.min(axis=-1)


def temperature_loss(
    log_alpha: Float[Array, ""], log_prob: Float[Array, " batch"], *, target: float
) -> Float[Array, " batch"]:
    """`-log_alpha * (log_prob + target)`: `log_alpha` rises while the entropy (minus log_prob) is below `target` nats.

    The gradient reaches `log_alpha` only.

    **Source:** Haarnoja et al., arXiv:1812.05905, equation 18, on the logarithm of alpha as implementations have it.
    """
    return -log_alpha * jax.lax.stop_gradient(log_prob + target)


def clipped_surrogate_loss(
    log_prob: Float[Array, "*batch"],
    old_log_prob: Float[Array, "*batch"],
    advantage: Float[Array, "*batch"],
    *,
    clip: float | Array,
) -> Float[Array, "*batch"]:
    r"""$-\min(rA,\ \mathrm{clip}(r, 1-\epsilon, 1+\epsilon)A)$ with $r = e^{log\_prob - old\_log\_prob}$.

    The gradient reaches `log_prob`, and is 0 where the ratio has left the clip in the direction that pays.

    **Source:** Schulman et al. (PPO), arXiv:1707.06347, equation 7.
    """
    ratio = jnp.exp(log_prob - old_log_prob)
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)


def normalised(advantage: Float[Array, "*batch"], valid: Array | None = None) -> Float[Array, "*batch"]:
    """Advantages less their mean, over their sample standard deviation (divisor n - 1) plus 1e-8; 0 where not valid."""
    valid = jnp.ones(advantage.shape, bool) if valid is None else valid
    count = valid.sum()
    mean = jnp.where(valid, advantage, 0.0).sum() / jnp.maximum(count, 1)
    gap = jnp.where(valid, advantage - mean, 0.0)
    deviation = jnp.sqrt(jnp.square(gap).sum() / jnp.maximum(count - 1, 1))
    return gap / (deviation + 1e-8)


def soft_policy(
    parts: Parts,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    actor: str = "actor",
    critic: str = "critic",
    log_alpha: str = "log_alpha",
) -> tuple[Scalar, Aux]:
    """SAC's actor loss. Trains `actor`; the gradient runs through the action into the critic. Draws `action`.

    **Source:** Haarnoja et al., arXiv:1812.05905, equation 9.
    """
    action, log_prob = jax.vmap(parts[actor])(batch.obs).sample_and_log_prob(named(key, "action"))
    q = jax.vmap(parts[critic])(batch.obs, action)
    loss = average(batch, soft_policy_loss(log_prob, q, jnp.exp(parts[log_alpha])))
    return loss, {f"{actor}/entropy": -log_prob.mean(), f"{actor}/q_mean": q.min(axis=-1).mean()}


def entropy_towards(target: float, *, actor: str = "actor", log_alpha: str = "log_alpha") -> Loss:
    """Move `log_alpha` until the actor's entropy is `target` nats. Trains `log_alpha`; shares the draw `action`.

    **Source:** Haarnoja et al., arXiv:1812.05905, equation 18; the usual target is minus the number of action entries.
    """

    def temperature(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        _, log_prob = jax.vmap(parts[actor])(batch.obs).sample_and_log_prob(named(key, "action"))
        loss = average(batch, temperature_loss(parts[log_alpha], log_prob, target=target))
        return loss, {"alpha": jnp.exp(parts[log_alpha])}

    return temperature


def deterministic_policy(
    parts: Parts, batch: Batch, key: PRNGKeyArray, *, actor: str = "actor", critic: str = "critic"
) -> tuple[Scalar, Aux]:
    """TD3's actor loss: minus the first critic's value of the actor's action. Trains `actor`; draws nothing.

    **Source:** Fujimoto, van Hoof and Meger, arXiv:1802.09477, algorithm 1.
    """
    del key
    action = jax.vmap(parts[actor])(batch.obs).mode()
    q = jax.vmap(parts[critic])(batch.obs, action)[:, 0]
    return -average(batch, q), {f"{actor}/q_mean": q.mean()}
