"""Losses of a policy that edits another's actions: it climbs the critic from where it is put, and keeps its entropy."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.edited import edited
from pilothouse.objectives.policy_gradient import temperature_loss
from pilothouse.objectives.weighting import average


def soft_edit(reach: float, *, edit: str = "edit", critic: str = "critic", log_alpha: str = "log_alpha") -> Loss:
    """SAC's actor loss for edits of the batch's actions, on the mean of all members. Trains `edit`; draws `edit`.

    The log-probability is that of the edit in (-1, 1), before it is scaled by `reach`.

    **Source:** Dong, Li, Sadigh and Finn (EXPO), arXiv:2507.07986.
    """

    def editing(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        found, log_prob = jax.vmap(parts[edit])(batch.obs, batch.action).sample_and_log_prob(named(key, "edit"))
        q = jax.vmap(parts[critic])(batch.obs, edited(batch.action, found, reach)).mean(axis=-1)
        loss = average(batch, jnp.exp(parts[log_alpha]) * log_prob - q)
        return loss, {f"{edit}/entropy": -log_prob.mean(), f"{edit}/q_mean": q.mean()}

    return editing


def edit_entropy_towards(target: float, *, edit: str = "edit", log_alpha: str = "log_alpha") -> Loss:
    """Move `log_alpha` until the entropy of edits is `target` nats. Trains `log_alpha`; shares the draw `edit`.

    **Source:** Haarnoja et al., arXiv:1812.05905, equation 18.
    """

    def temperature(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        _, log_prob = jax.vmap(parts[edit])(batch.obs, batch.action).sample_and_log_prob(named(key, "edit"))
        loss = average(batch, temperature_loss(parts[log_alpha], log_prob, target=target))
        return loss, {"alpha": jnp.exp(parts[log_alpha])}

    return temperature
