"""Drawing from a dataset some of whose rows lack their reward or action: those that have it, or all, with what a model says.

A batch may have `past`, the `back` observations before each row's own, oldest first: `(batch, back, …)`. Where the episode
had not begun they are 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Changes, Uniform, with_discount
from pilothouse.data.dataset import LABELS
from pilothouse.data.stores import gather, size_of

Says = Callable[[Parts, Batch], PyTree]
"""`says(parts, rows) -> label by row`."""


def before(data: Batch, rows: Batch, ticket: Int[Array, " batch"], back: int) -> PyTree:
    """The `back` observations before those of `rows`, whose numbers in `data` are `ticket`, in their episodes."""
    places = ticket[:, None] - jnp.arange(back, 0, -1)
    inside = jnp.maximum(places, 0)
    same = (places >= 0) & (data.episode_id[inside] == rows.episode_id[:, None])

    def of(obs: Array) -> Array:
        return jnp.where(same.reshape(*same.shape, *[1] * (obs.ndim - 1)), obs[inside], 0)

    return jax.tree.map(of, data.obs)


@dataclass(frozen=True)
class Labelled:
    """Rows drawn uniformly, with replacement, from those that have their `label`; at least one must."""

    name: str
    batch: int
    label: str
    back: int = 0
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> Int[Array, "times batch"]:
        data: Batch = parts[self.name]
        shape, key = (times, self.batch), named(key, "rows")
        if LABELS[self.label] not in data:
            return jax.random.randint(key, shape, 0, size_of(data))
        so_far = jnp.cumsum(data[LABELS[self.label]].astype(jnp.int32))
        # Number n of the labelled, counted from 0, is where n + 1 of them have been seen for the first time.
        return jnp.searchsorted(so_far, jax.random.randint(key, shape, 0, so_far[-1]) + 1).astype(jnp.int32)

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        rows = gather(parts[self.name], ticket)
        if self.back:
            rows = rows.replace(past=before(parts[self.name], rows, ticket, self.back))
        return with_discount(rows, self.discount), {}


@dataclass(frozen=True)
class Imputed(Uniform):
    """Rows of a fixed dataset, drawn uniformly with replacement; what lacks its `label` has the one that `says` gives it.

    No gradient passes into who says it. Labels that were recorded stay.
    """

    label: str = "reward"
    says: Says = lambda parts, rows: rows.reward
    back: int = 0

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        rows, changes = super().take(parts, ticket, key)
        mask = LABELS[self.label]
        if mask not in rows:
            return rows, changes
        seen = rows.replace(past=before(parts[self.name], rows, ticket, self.back)) if self.back else rows
        said, own = jax.lax.stop_gradient(self.says(parts, seen)), rows[self.label]
        known = rows[mask].reshape(-1, *[1] * (own.ndim - 1))
        return rows.replace(**{self.label: jnp.where(known, own, said)}).without(mask), changes
