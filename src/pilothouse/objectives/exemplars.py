"""Cloning choices by the similarity-distance-magnitude activation."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from pilothouse.core.aliases import Aux, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.exemplars import sdm


def clone_by_exemplars(
    parts: Parts, batch: Batch, key: PRNGKeyArray, *, part: str = "classifier"
) -> tuple[Scalar, Aux]:
    """Minus the logarithm, to the base 2 + `similarity`, of the probability of the batch's choices.

    Trains `part`, an `ExemplarClassifier`. Rows have `similarity` and `distance`, which carry no gradient, and count where
    `real`. Draws nothing.

    **Source:** Schmaltz, arXiv:2502.20167, equation 5.
    """
    del key
    _, logits = jax.vmap(parts[part])(batch.obs)
    known = sdm(logits, batch["similarity"], batch["distance"])
    own = jnp.take_along_axis(known, batch.action[:, None], axis=1)[:, 0]
    weight = batch["real"].astype(jnp.float32)
    loss = -(weight * own).sum() / jnp.maximum(weight.sum(), 1.0)
    return loss, {f"{part}/sdm_loss": loss}
