"""Rows with labels that are made when they are drawn: as models of reward change, so do the labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.data.batches import Changes

Label = Callable[[Parts, Batch], Batch]
"""`label(parts, rows) -> rows`: the rows with other rewards, discounts, or whatever else the parts say of them."""


@dataclass(frozen=True)
class Around:
    """Draws the rows that `inner` draws; how they are changed on the way is for `take`."""

    inner: Any

    @property
    def reads(self) -> tuple[str, ...]:
        return self.inner.reads

    @property
    def writes(self) -> tuple[str, ...]:
        return self.inner.writes

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return self.inner.plan(parts, key, times)


@dataclass(frozen=True)
class Relabelled(Around):
    """What `inner` draws, changed by `label`, which sees the parts as they are at that update."""

    label: Label

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        rows, changes = self.inner.take(parts, ticket, key)
        return self.label(parts, rows), changes
