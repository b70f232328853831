"""Data larger than memory should hold: rows stay on disk, and the next updates' are fetched together.

Which rows a sampler draws depends on its key and on how many rows there are, not on what they hold. So the rows of many
updates are known beforehand: they are gathered on the host into a *window*, and the same program runs on the window, in
which `gather` finds a row of the dataset by its number. Samplers, tickets and numbers are those of data in memory.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError, WiringError
from pilothouse.data.batches import Both, Uniform
from pilothouse.data.stores import Window

WINDOW_ROWS = 2**17
"""Rows that a window aims at: the updates of a transfer are as many as draw them."""


@dataclass(frozen=True, eq=False)
class HostRows:
    """A fixed dataset that stays where it is. `fetch(numbers)` gives those rows as the engine takes them."""

    name: str
    size: int
    fetch: Callable[[np.ndarray], Batch]

    def __getattr__(self, field: str) -> Any:
        if field.startswith("__"):
            raise AttributeError(field)
        raise DataError(f"{self.name}: {larger(field)}")

    def window(self, numbers: np.ndarray, room: int) -> Window:
        """The rows of these numbers, in a window of room for so many (the last one fills it up)."""
        index = np.unique(numbers)
        index = np.concatenate([index, np.full(room - len(index), index[-1])])
        return Window(jax.tree.map(jnp.asarray, self.fetch(index)), jnp.asarray(index, jnp.int32), self.size)


def larger(what: str) -> str:
    """The end of the message where something needs all of such data."""
    return (
        f"is larger than the budget and stays on disk, and {what!r} of all its rows was asked for. Set "
        "PILOTHOUSE_DATA_BUDGET (MiB) above its size to hold it in memory."
    )


def check_draws(sampler: Any, fixed: Collection[str]) -> None:
    """Raises `WiringError` unless the tickets of a sampler are row numbers of these datasets, whatever they hold."""
    inner = sampler.parts.values() if isinstance(sampler, Both) else ()
    if not inner and not (isinstance(sampler, Uniform) and sampler.name in fixed):
        raise WiringError(f"{type(sampler).__name__} cannot draw from a dataset on disk. It {larger('batches')}")
    for part in inner:
        check_draws(part, fixed)


def drawn_rows(sampler: Any, tickets: PyTree) -> Mapping[str, list[Int[Array, "..."]]]:
    """By the name of a dataset, the numbers of the rows that these tickets stand for."""
    if isinstance(sampler, Uniform):
        return {sampler.name: [tickets]}
    found: dict[str, list[Any]] = {}
    for name, inner in sampler.parts.items():
        for store, numbers in drawn_rows(inner, tickets[name]).items():
            found.setdefault(store, []).extend(numbers)
    return found
