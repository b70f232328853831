"""Batches of programs drawn at random, and what they did where they were run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named


@dataclass(frozen=True)
class TracedPrograms:
    """`batch` fresh programs an update, each run once: `program`, `perceived`, `acted` and `valid`.

    `draw(key)` makes a program, and `trace(program, key)` runs it and says what it did, as an object with those fields.
    """

    draw: Callable[[PRNGKeyArray], Array]
    trace: Callable[[Array, PRNGKeyArray], Any]
    batch: int
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        del parts
        return jax.random.split(key, times)

    def take(self, parts: Parts, ticket: PRNGKeyArray, key: PRNGKeyArray) -> tuple[Batch, Mapping[str, PyTree]]:
        del parts, key
        programs = jax.vmap(self.draw)(jax.random.split(named(ticket, "programs"), self.batch))
        found = jax.vmap(self.trace)(programs, jax.random.split(named(ticket, "runs"), self.batch))
        return Batch(program=programs, perceived=found.perceived, acted=found.acted, valid=found.valid), {}
