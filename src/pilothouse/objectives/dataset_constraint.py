"""Losses that hold a policy to what the data did near by, in place of what they did in this very state."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.cloning import normalised_by_size, squared_action_loss
from pilothouse.objectives.weighting import average


def nearest_action(
    data_obs: Float[Array, "rows obs"],
    data_action: Float[Array, "rows action"],
    obs: Float[Array, "batch obs"],
    action: Float[Array, "batch action"],
    *,
    beta: float | Array,
) -> Float[Array, "batch action"]:
    """The action of the data row nearest to `(beta * obs, action)`, in Euclidean distance over both joined.

    Exact, by one matrix product over all rows; carries no gradient.

    **Source:** Ran et al. (PRDC), arXiv:2306.06569, definition 1, where a tree finds the same row.
    """
    data = jnp.concatenate([beta * data_obs, data_action], axis=1)
    query = jax.lax.stop_gradient(jnp.concatenate([beta * obs, action], axis=1))
    distance = jnp.square(data).sum(axis=1) - 2.0 * query @ data.T  # the query's own square is of no account
    return data_action[jnp.argmin(distance, axis=1)]


def td3_near_data(
    alpha: float | Array = 2.5,
    beta: float | Array = 2.0,
    *,
    data: str = "data",
    actor: str = "actor",
    critic: str = "critic",
) -> Loss:
    """PRDC's actor loss: the critic's value scaled by `alpha` over its mean size, plus the squared error to the nearest
    action in the data. Trains `actor`; draws nothing. Observations and actions are boxes, here laid flat.

    **Source:** Ran et al. (PRDC), arXiv:2306.06569, equations 6 to 8.
    """

    def constrained_policy(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        rows = parts[data]
        action = jax.vmap(parts[actor])(batch.obs).mode()
        data_obs, data_action, obs, done = map(_flat, (rows.obs, rows.action, batch.obs, action))
        near = nearest_action(data_obs, data_action, obs, done, beta=beta).reshape(action.shape)
        q = jax.vmap(parts[critic])(batch.obs, action)[:, 0]
        tether = average(batch, squared_action_loss(action, near))
        loss = tether - normalised_by_size(q, alpha, batch)
        return loss, {f"{actor}/q_mean": q.mean(), f"{actor}/constraint": tether}

    return constrained_policy


def _flat(rows: Array) -> Float[Array, "rows entries"]:
    return rows.reshape(rows.shape[0], -1).astype(jnp.float32)
