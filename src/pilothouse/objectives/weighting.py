"""How per-sample losses become one number."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pilothouse.core.aliases import Scalar
from pilothouse.core.batch import Batch


def average(batch: Batch, per_sample: Float[Array, "*batch"]) -> Scalar:
    """The batch's mean of a per-sample quantity.

    With `batch.weight` (which sums to one over the batch of an optimiser step) it is the weighted sum, so that
    micro-batches add up exactly. Else it is the mean over rows that are `valid`, or over all rows where the batch does
    not say. Rows of weight 0 and rows that are not valid count nothing; a NaN there spoils gradients, not the value.
    """
    if "weight" in batch:
        return jnp.sum(jnp.where(batch.weight != 0, batch.weight * per_sample, 0.0))
    if "valid" in batch and batch.valid.shape == per_sample.shape:
        return jnp.sum(jnp.where(batch.valid, per_sample, 0.0)) / jnp.maximum(batch.valid.sum(), 1)
    return per_sample.mean()
