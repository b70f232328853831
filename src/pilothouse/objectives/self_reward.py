"""Objectives of networks that judge what they do themselves."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch


def own_verdict_loss(verdicts: Float[Array, "steps verdicts"]) -> Float[Array, ""]:
    """Cross-entropy of the verdicts, added up over the steps remembered, with whichever of them is the largest.

    **Source:** Tjoa and Guan, doi:10.1038/s41598-023-28804-9, as the authors' code has it.
    """
    return -jax.nn.log_softmax(verdicts.sum(axis=0)).max()


def self_rewarded(part: str) -> Loss:
    """Make the network surer of what it mostly finds of itself; a batch is `(episodes, steps)`. Draws nothing."""

    def loss(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        verdicts = jax.vmap(jax.vmap(parts[part].self_reward))(batch.obs)
        mean = jax.vmap(own_verdict_loss)(verdicts).mean()
        return mean, {f"{part}/self_reward": verdicts[..., 0].mean(), f"{part}/verdict_loss": jnp.asarray(mean)}

    return loss
