"""Values of actions that nobody can take, held at the lowest that there is, so that values fall on the way to them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.objectives.weighting import average


def infeasible(shape: tuple[int, ...], far: float | Array, key: PRNGKeyArray) -> Float[Array, "*shape"]:
    """Unit actions out of every bound: each entry even in [-2 `far`, -`far`] or [`far`, 2 `far`], either side as often."""
    drawn = jax.random.uniform(key, shape, jnp.float32, -1.0, 1.0)
    return far * (drawn + jnp.where(drawn < 0, -1.0, 1.0))


def infeasible_values(lowest: float | Array, far: float | Array, *, critic: str = "critic") -> Loss:
    """Squared error to `lowest`, a return, of the values of `infeasible` actions, one a row; summed over members.

    Between the data's actions and those there is no penalty: what is left free is for the network to join. Trains
    `critic`; draws `infeasible`.

    **Source:** Kim et al. (PARS), arXiv:2507.08761, section 4.
    """

    def penalty(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        action = infeasible(batch.action.shape, far, named(key, "infeasible"))
        q = jax.vmap(parts[critic])(batch.obs, action)
        error = squared_td_loss(q, jnp.broadcast_to(jnp.asarray(lowest, q.dtype), q.shape[:-1]))
        return average(batch, error), {f"{critic}/infeasible_mean": q.mean()}

    return penalty
