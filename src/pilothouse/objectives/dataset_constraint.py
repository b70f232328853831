"""Losses that hold a policy to what the data did near by, in place of what they did in this very state."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.cloning import normalised_by_size, squared_action_loss
from pilothouse.objectives.weighting import average

SEARCHED = 16_384
"""Rows that each update searches. A matrix product over 200,000 rows would cost thirty times what the networks do."""


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
    return data_action[_first_least(distance)]


def _first_least(distance: Float[Array, "batch rows"], block: int = 128) -> Int[Array, " batch"]:
    """`argmin` along rows, in two rounds: on CPU the least of a block is found many times faster than its place."""
    blocks = -(-distance.shape[1] // block)
    padded = jnp.pad(distance, ((0, 0), (0, blocks * block - distance.shape[1])), constant_values=jnp.inf)
    cut = padded.reshape(-1, blocks, block)
    best = jnp.argmin(cut.min(axis=2), axis=1)
    inner = jnp.take_along_axis(cut, best[:, None, None], axis=1)[:, 0]
    return best * block + jnp.argmin(inner, axis=1)


def td3_near_data(
    alpha: float | Array = 2.5,
    beta: float | Array = 2.0,
    *,
    searched: int = SEARCHED,
    data: str = "data",
    actor: str = "actor",
    critic: str = "critic",
) -> Loss:
    """PRDC's actor loss: the critic's value scaled by `alpha` over its mean size, plus the squared error to the nearest
    action in the data. Trains `actor`. Observations and actions are boxes, here laid flat.

    Of data with more than `searched` rows each update searches the batch itself and so many rows drawn anew (`searched`).

    **Source:** Ran et al. (PRDC), arXiv:2306.06569, equations 6 to 8.
    """

    def constrained_policy(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        rows = _candidates(parts[data], batch, searched, key)
        action = jax.vmap(parts[actor])(batch.obs).mode()
        data_obs, data_action, obs, done = map(_flat, (rows.obs, rows.action, batch.obs, action))
        near = nearest_action(data_obs, data_action, obs, done, beta=beta).reshape(action.shape)
        q = jax.vmap(parts[critic])(batch.obs, action)[:, 0]
        tether = average(batch, squared_action_loss(action, near))
        loss = tether - normalised_by_size(q, alpha, batch)
        return loss, {f"{actor}/q_mean": q.mean(), f"{actor}/constraint": tether}

    return constrained_policy


def _candidates(rows: Batch, batch: Batch, searched: int, key: PRNGKeyArray) -> Batch:
    """Observations and actions among which the nearest is looked for: all rows, or a sample with the batch's own."""
    count = rows.obs.shape[0]
    if count <= searched:
        return rows
    drawn = jax.random.randint(named(key, "searched"), (searched,), 0, count)
    sample = jax.tree.map(lambda x: x.at[drawn].get(mode="promise_in_bounds"), (rows.obs, rows.action))
    obs, action = jax.tree.map(lambda *x: jnp.concatenate(x), sample, (batch.obs, batch.action))
    return Batch(obs=obs, action=action)


def _flat(rows: Array) -> Float[Array, "rows entries"]:
    return rows.reshape(rows.shape[0], -1).astype(jnp.float32)
