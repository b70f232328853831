"""Novelty: what a model of it learns, and labels that hope for the best of what nobody has tried."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.weighting import average

Label = Callable[[Parts, Batch], Batch]
"""What `data.relabelled` changes rows by when they are drawn."""


def novelty_error(*, model: str = "novelty") -> Loss:
    """The mean novelty of the rows, which learning lowers there and nowhere else. Trains `model`; draws nothing.

    Rows may have any number of leading axes.

    **Source:** Burda, Edwards, Storkey and Klimov (RND), arXiv:1810.12894, section 2.2.
    """

    def novelty(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        measure = parts[model]
        for _ in batch.reward.shape:
            measure = jax.vmap(measure)
        loss = average(batch, measure(batch.obs, batch.action))
        return loss, {f"{model}/error": loss}

    return novelty


def less_cost(cost: float | Array) -> Label:
    """Every reward less `cost`."""
    return lambda parts, rows: rows.replace(reward=rows.reward - cost)


def predicted_labels(
    bonus: float | Array,
    discount: float | Array,
    cost: float | Array = 0.0,
    *,
    reward: str = "reward",
    ending: str = "ending",
    novelty: str | None = "novelty",
) -> Label:
    """Labels for rows that have none: the predicted reward plus `bonus` times the novelty, less `cost`.

    `discount` of a row becomes the discount to the power of its duration, times the predicted probability that the
    episode does not terminate there. Neither the reward nor the termination that a row itself brings is read. With
    `novelty` None nothing is hoped for.

    **Source:** Li et al. (ExPLORe), arXiv:2311.05067, section 4 and the authors' code.
    """

    def label(parts: Parts, rows: Batch) -> Batch:
        hoped = jax.vmap(parts[reward])(rows.obs, rows.action).mean(axis=-1) - cost
        if novelty is not None:
            hoped = hoped + bonus * jax.vmap(parts[novelty])(rows.obs, rows.action)
        over = jax.nn.sigmoid(jax.vmap(parts[ending])(rows.obs, rows.action).mean(axis=-1))
        power = jnp.power(discount, rows.duration.astype(jnp.float32))
        return rows.replace(reward=hoped, discount=power * (1.0 - over))

    return label
