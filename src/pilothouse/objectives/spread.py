"""The likelihood of gaps around zero: how a covariance learns from where a policy and its examples differ."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.weighting import average


def gap_loss(gap: Float[Array, " entries"], factor: Float[Array, "entries entries"]) -> Scalar:
    r"""Minus the log-density of `gap` under a normal of mean 0 and covariance $LL^T$, in nats.

    $\frac12 |L^{-1} g|^2 + \sum_i \log L_{ii} + \frac{n}{2} \log 2\pi$ with the lower triangular `factor` $L$.
    """
    scaled = solve_triangular(factor, gap, lower=True)
    return 0.5 * jnp.square(scaled).sum() + jnp.log(jnp.diag(factor)).sum() + 0.5 * gap.size * math.log(2 * math.pi)


def spread_of_gaps(*, spread: str = "noise", actor: str = "actor") -> Loss:
    """Fit a covariance to the gaps between the data's actions and the actor's likeliest ones. Trains `spread` only.

    Draws nothing.

    **Source:** Dong, Lessing, Chen and Finn (DGN), arXiv:2506.07505.
    """

    def gaps(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        own = jax.lax.stop_gradient(jax.vmap(parts[actor])(batch.obs).mode())
        gap = (batch.action - own).reshape(batch.action.shape[0], -1)
        factors = jax.vmap(parts[spread])(batch.obs)
        size = jnp.sqrt(jnp.square(gap).mean())
        return average(batch, jax.vmap(gap_loss)(gap, factors)), {f"{spread}/gap": size}

    return gaps
