"""Losses for denoising (diffusion) policies."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.weighting import average

RowWeight = Callable[[Parts, Batch], Float[Array, " batch"]]


def noise_loss(
    prediction: Float[Array, "batch *action"], noise: Float[Array, "batch *action"]
) -> Float[Array, " batch"]:
    """Squared error of predicted noise, summed over the entries of an action.

    **Source:** Ho, Jain and Abbeel, arXiv:2006.11239, equation 14.
    """
    return jnp.square(prediction - noise).sum(axis=tuple(range(1, prediction.ndim)))


def denoise(*, actor: str = "actor", weight: RowWeight | None = None) -> Loss:
    """Clone the data's actions with a denoising actor: predict the noise mixed in at a step drawn uniformly.

    Trains `actor`. Draws `step`, `noise` and `dropout`. `weight(parts, batch)` weighs rows; it carries no gradient.

    **Source:** Ho, Jain and Abbeel, arXiv:2006.11239, algorithm 1.
    """

    def denoising(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        network, rows = parts[actor], batch.action.shape[0]
        step = jax.random.randint(named(key, "step"), (rows,), 0, network.steps)
        noise = jax.random.normal(named(key, "noise"), batch.action.shape)
        noisy = jax.vmap(network.corrupt)(batch.action, noise, step)
        keys = jax.random.split(named(key, "dropout"), rows)
        loss = noise_loss(jax.vmap(network.noise_prediction)(batch.obs, noisy, step, keys), noise)
        if weight is not None:
            loss = loss * jax.lax.stop_gradient(weight(parts, batch))
        return average(batch, loss), {f"{actor}/noise_loss": loss.mean()}

    return denoising
