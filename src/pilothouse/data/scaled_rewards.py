"""Batches whose rewards are multiplied by a constant: what is learned from them is valued in another unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch


@dataclass(frozen=True)
class ScaledRewards:
    """The batches of another sampler, every reward `scale` times what it was."""

    inner: Any
    scale: float | Array

    @property
    def reads(self) -> tuple[str, ...]:
        return self.inner.reads

    @property
    def writes(self) -> tuple[str, ...]:
        return self.inner.writes

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return self.inner.plan(parts, key, times)

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Mapping[str, PyTree]]:
        batch, changed = self.inner.take(parts, ticket, key)
        return batch.replace(reward=self.scale * batch.reward), changed
