"""Random keys: every draw has a name, every step an address; nothing random is stored."""

import zlib

import jax
from jaxtyping import Array, PRNGKeyArray


def named(key: PRNGKeyArray, name: str) -> PRNGKeyArray:
    """The key of the draw called `name`. Equal names under equal keys give equal draws, on purpose.

    Every objective of an update receives the same key, so two objectives that both need the actor's next action
    ask for the same name and share one draw (and XLA merges the forward passes).
    """
    return jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def at(key: PRNGKeyArray, *counts: int | Array) -> PRNGKeyArray:
    """The key at an address of whole numbers, such as (cycle, round)."""
    for count in counts:
        key = jax.random.fold_in(key, count)
    return key
