"""A sampler that deals a fixed dataset into disjoint parts, one an update."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.data.batches import with_discount
from pilothouse.data.stores import size_of


@dataclass(frozen=True)
class Folds:
    """Part number i of `count` holds rows i, i + count, i + 2 count, …; rows over are left out. In order, every plan anew.

    Give the fit `count` times. A batch also holds the number of its part as `fold`.
    """

    name: str
    count: int
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        del parts, key
        return jnp.arange(times) % self.count

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Mapping[str, PyTree]]:
        del key
        store = parts[self.name]
        number = int(size_of(store)) // self.count
        if number == 0:
            raise ValueError(f"{size_of(store)} rows cannot be dealt into {self.count} parts.")
        rows = jax.tree.map(lambda x: x[ticket + self.count * jnp.arange(number)], getattr(store, "rows", store))
        return with_discount(rows, self.discount).replace(fold=ticket), {}
