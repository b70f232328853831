"""Losses for conditional variational autoencoders of actions."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.cloning import squared_action_loss
from pilothouse.objectives.denoising import RowWeight
from pilothouse.objectives.weighting import average


def prior_divergence_loss(
    mean: Float[Array, "batch latent"], log_std: Float[Array, "batch latent"]
) -> Float[Array, " batch"]:
    r"""Mean over latent entries of KL(N(mean, std²), N(0, 1)) $= (std^2 + mean^2 - 1)/2 - \log std$, in nats."""
    return (0.5 * (jnp.exp(2 * log_std) + mean**2 - 1) - log_std).mean(axis=-1)


def reconstruct(
    divergence: float | Array = 0.5, *, autoencoder: str = "autoencoder", weight: RowWeight | None = None
) -> Loss:
    """Squared reconstruction error plus `divergence` times the divergence from the prior, both averaged over entries.

    Trains `autoencoder`; draws `latent`. `weight(parts, batch)` weighs the reconstruction of each row.

    **Source:** Fujimoto, Meger and Precup (BCQ), arXiv:1812.02900, equation 28, with the authors' averaging.
    """

    def reconstruction(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        network, rows = parts[autoencoder], batch.action.shape[0]
        noise = jax.random.normal(named(key, "latent"), (rows, network.latent))
        action, mean, log_std = jax.vmap(network.reconstruct)(batch.obs, batch.action, noise)
        error = squared_action_loss(action, batch.action)
        if weight is not None:
            error = error * jax.lax.stop_gradient(weight(parts, batch))
        spread = prior_divergence_loss(mean, log_std)
        aux = {f"{autoencoder}/error": error.mean(), f"{autoencoder}/divergence": spread.mean()}
        return average(batch, error + divergence * spread), aux

    return reconstruction
