"""Rows to learn from and rows to judge by: every so many-th row of a dataset is kept back."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Changes, with_discount
from pilothouse.data.stores import gather, size_of


def kept_back(rows: Batch, every: int, most: int) -> Batch:
    """Rows `every - 1`, `2 * every - 1`, … of a dataset, at most so many; all of one with fewer rows than `every`."""
    if size_of(rows) < every:
        return rows
    return jax.tree.map(lambda x: x[every - 1 :: every][:most], rows)


@dataclass(frozen=True)
class AllBut:
    """Rows drawn uniformly, with replacement, from those that `kept_back` leaves."""

    name: str
    batch: int
    every: int
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> Int[Array, "times batch"]:
        rows = size_of(parts[self.name])
        left = rows - rows // self.every
        drawn = jax.random.randint(named(key, "rows"), (times, self.batch), 0, left)
        return drawn + drawn // (self.every - 1)  # one row is passed over after every `every - 1`

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        return with_discount(gather(parts[self.name], ticket), self.discount), {}
