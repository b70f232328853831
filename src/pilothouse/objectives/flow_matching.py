"""Losses for flow policies: match the straight way from noise to the data's action."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.flow import UNLABELLED
from pilothouse.objectives.cloning import advantage_weight, squared_action_loss
from pilothouse.objectives.denoising import RowWeight
from pilothouse.objectives.weighting import average

LABELS = 3
"""Labels of a row's advantage: 0 nothing said, 1 worse than the state's value, 2 at least as good."""
WORSE, BETTER = 1, 2

RowLabel = Callable[[Parts, Batch], Int[Array, " batch"]]


def match_flow(
    *,
    label: RowLabel | None = None,
    hidden: float | Array = 0.1,
    weight: RowWeight | None = None,
    actor: str = "actor",
) -> Loss:
    """Clone the data's actions with a flow actor: predict the straight way from noise to action, at a random time.

    `label(parts, batch)` says something of each row, which is left out of a share `hidden` of them, so that the actor
    learns both of the labelled and of all; without it nothing is said. `weight(parts, batch)` weighs rows. Neither
    carries a gradient. Trains `actor`; draws `time`, `noise` and `hidden`.

    **Source:** Lipman et al., arXiv:2210.02747, equation 23 with no noise left at the end; labels left out as in Ho and
    Salimans, arXiv:2207.12598, algorithm 1.
    """

    def flow_matching(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        network, rows = parts[actor], batch.action.shape[0]
        time = jax.random.uniform(named(key, "time"), (rows,))
        noise = jax.random.normal(named(key, "noise"), batch.action.shape)
        late = time.reshape(-1, *[1] * (batch.action.ndim - 1))
        point = (1 - late) * noise + late * batch.action
        said = jnp.full(rows, UNLABELLED, jnp.int32)
        if label is not None:
            shown = jax.random.uniform(named(key, "hidden"), (rows,)) >= hidden
            said = jnp.where(shown, label(parts, batch), said)
        loss = squared_action_loss(jax.vmap(network.velocity)(batch.obs, point, time, said), batch.action - noise)
        if weight is not None:
            loss = loss * jax.lax.stop_gradient(weight(parts, batch))
        return average(batch, loss), {f"{actor}/flow_loss": loss.mean()}

    return flow_matching


def sign_of_advantage(*, slow: str = "critic/slow", value: str = "value") -> RowLabel:
    """Label `BETTER` where the lowest slow action value is at least the state's value, else `WORSE`.

    **Source:** Frans, Park, Abbeel and Levine (CFGRL), arXiv:2505.23458, section 4.
    """

    def label(parts: Parts, batch: Batch) -> Int[Array, " batch"]:
        return jnp.where(_advantage(parts, batch, slow, value) >= 0, BETTER, WORSE)

    return label


def by_advantage(
    sharpness: float | Array, limit: float = 100.0, *, slow: str = "critic/slow", value: str = "value"
) -> RowWeight:
    """Weigh rows by the exponential of their advantage, as IQL weighs its cloning; at most `limit`."""

    def weight(parts: Parts, batch: Batch) -> Float[Array, " batch"]:
        return advantage_weight(_advantage(parts, batch, slow, value), sharpness=sharpness, limit=limit)

    return weight


def _advantage(parts: Parts, batch: Batch, slow: str, value: str) -> Float[Array, " batch"]:
    return jax.vmap(parts[slow])(batch.obs, batch.action).min(axis=-1) - jax.vmap(parts[value])(batch.obs)
