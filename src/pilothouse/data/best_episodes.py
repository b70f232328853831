"""Drawing from the best part of a dataset: the rows of the episodes with the highest returns."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Changes, with_discount
from pilothouse.data.stores import gather, size_of


def rows_by_return(rows: Batch) -> Array:
    """The numbers of all rows, those of the episode with the highest undiscounted return first, in order within it."""
    count = rows.reward.shape[0]
    counted = jnp.where(rows.valid, rows.reward, 0.0) if "valid" in rows else rows.reward
    returns = jax.ops.segment_sum(counted, rows.episode_id, num_segments=count)
    return jnp.lexsort((rows.episode_id, -returns[rows.episode_id])).astype(jnp.int32)


@dataclass(frozen=True)
class FromBest:
    """Rows drawn uniformly, with replacement, from the first `share` of those that a rule listed under `order`."""

    name: str
    order: str
    share: float | Array
    batch: int
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name, self.order)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        count = jnp.ceil(self.share * size_of(parts[self.name])).astype(jnp.int32)
        places = jax.random.randint(named(key, "rows"), (times, self.batch), 0, jnp.maximum(count, 1))
        return parts[self.order][places]

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        return with_discount(gather(parts[self.name], ticket), self.discount), {}


def listed_by_return(name: str, order: str):
    """The change of a rule that lists the rows of `name` under `order`, the best episodes' first."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        return {order: rows_by_return(parts[name])}

    return change
