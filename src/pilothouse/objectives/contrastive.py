"""Telling what belongs together from what does not: the ratio of two densities, learned by comparing rows of a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def log_density_ratio(scores: Float[Array, "row other"]) -> Float[Array, " row"]:
    r"""$f_{ii} - \log \frac1n \sum_j e^{f_{ij}}$ of each row: what belongs to it against what belongs to any row.

    `scores[i, j]` says how well what belongs to row j would suit row i. The largest mean of this that scores can reach is a
    lower bound on the mutual information between the two, and no row's is above log n. Minus the mean is the InfoNCE loss.

    **Source:** van den Oord, Li and Vinyals, arXiv:1807.03748, equation 4 and section 2.3.
    """
    count = scores.shape[-1]
    return jnp.diagonal(scores) - (jax.nn.logsumexp(scores, axis=-1) - jnp.log(count))
