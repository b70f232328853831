"""Samplers: where the batches of a fit come from.

Each answers `plan` (the tickets of all updates at once, leading axis: updates) and `take` (one ticket to one batch).
Whatever carries `reward` and `terminated` gains `discount`: the discount to the power of `duration`, 0 where
terminated. Objectives never see the discount itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import at, named
from pilothouse.data.stores import gather, size_of

Changes = Mapping[str, PyTree]


def with_discount(rows: Batch, discount: float | Array | None) -> Batch:
    """The rows with `discount` per transition: discount ** duration, and 0 where the episode terminated.

    A truncated transition keeps its discount: the value of what would have followed still counts.
    """
    if discount is None or "terminated" not in rows:
        return rows
    power = jnp.power(discount, rows.duration.astype(jnp.float32)) if "duration" in rows else discount
    return rows.replace(discount=power * (1.0 - rows.terminated.astype(jnp.float32)))


def shuffled(rows: int, *, key: PRNGKeyArray) -> Int[Array, " rows"]:
    """The numbers below `rows` in random order.

    As `jax.random.permutation`, by sorts of random numbers, but with the places in their lowest bits: on CPU an array of
    unsigned integers sorts about eight times as fast as pairs do. Rounds are repeated until a tie is as unlikely.
    """
    places = max(1, (rows - 1).bit_length())
    free = 32 - places
    if free < 8:
        return jax.random.permutation(key, rows)
    below = jnp.uint32((1 << places) - 1)
    order = jnp.arange(rows, dtype=jnp.uint32)
    for round_key in jax.random.split(key, -(-3 * places // free)):
        drawn = jax.random.bits(round_key, (rows,)) & ~below
        order = order[jnp.sort(drawn | jnp.arange(rows, dtype=jnp.uint32)) & below]
    return order.astype(jnp.int32)


@dataclass(frozen=True)
class Uniform:
    """Rows of a store or dataset, drawn uniformly with replacement."""

    name: str
    batch: int
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return jax.random.randint(named(key, "rows"), (times, self.batch), 0, size_of(parts[self.name]))

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        return with_discount(gather(parts[self.name], ticket), self.discount), {}


@dataclass(frozen=True)
class Pooled:
    """Rows drawn uniformly, with replacement, from several stores and datasets as if they were one.

    So each is drawn from in proportion to how many rows it holds now: none from an empty ring. A batch has the fields
    that all of them have, and `valid`, which rings do not keep because all of their rows are, if any of them has it.
    At least one must hold rows.
    """

    names: tuple[str, ...]
    batch: int
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return self.names

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        sizes = jnp.stack([jnp.asarray(size_of(parts[name]), jnp.int32) for name in self.names])
        drawn = jax.random.randint(named(key, "rows"), (times, self.batch), 0, sizes.sum())
        ends = jnp.cumsum(sizes)
        source = jnp.searchsorted(ends, drawn, side="right")
        return {"store": source, "row": drawn - (ends - sizes)[source]}

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        found = []
        for number, name in enumerate(self.names):
            mine = ticket["store"] == number
            found.append((mine, gather(parts[name], jnp.where(mine, ticket["row"], 0))))
        alike = _alike([rows for _, rows in found])
        rows = alike[0]
        for (mine, _), other in zip(found[1:], alike[1:], strict=True):
            rows = jax.tree.map(
                lambda old, new, mine=mine: jnp.where(mine.reshape(-1, *[1] * (new.ndim - 1)), new, old), rows, other
            )
        return with_discount(rows, self.discount), {}


@dataclass(frozen=True)
class Mixed:
    """Batches of several samplers end to end: each has the share of rows that its own size says.

    Half a batch of the data and half of what was lived since is symmetric sampling. Fields as for `Pooled`.

    **Source:** Ball, Smith, Kostrikov and Levine, "Efficient Online Reinforcement Learning with Offline Data",
    arXiv:2302.02948, section 4.1.
    """

    samplers: tuple[Any, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(name for inner in self.samplers for name in inner.reads)

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(name for inner in self.samplers for name in inner.writes)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return [inner.plan(parts, at(key, number), times) for number, inner in enumerate(self.samplers)]

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        taken, changes = [], {}
        for number, inner in enumerate(self.samplers):
            rows, changed = inner.take(parts, ticket[number], at(key, number))
            taken.append(rows)
            changes |= changed
        return jax.tree.map(lambda *x: jnp.concatenate(x), *_alike(taken)), changes


def half_and_half(data: str, replay: str, batch: int, discount: float | None = None) -> Mixed:
    """Half of each batch from `data`, half (and the odd row) from `replay`."""
    return Mixed((Uniform(data, batch // 2, discount), Uniform(replay, batch - batch // 2, discount)))


def _alike(found: list[Batch]) -> list[Batch]:
    """Batches cut down to the fields that all have, in the first one's types; `valid` is true where it is not kept."""
    if any("valid" in rows for rows in found):
        ones = [jnp.ones(jax.tree.leaves(rows)[0].shape[0], bool) for rows in found]
        found = [rows if "valid" in rows else rows.replace(valid=all_) for rows, all_ in zip(found, ones, strict=True)]
    names = [name for name in found[0] if all(name in rows for rows in found)]
    cut = [Batch(**{name: rows[name] for name in names}) for rows in found]
    return [jax.tree.map(lambda first, own: own.astype(first.dtype), cut[0], rows) for rows in cut]


@dataclass(frozen=True)
class Sweep:
    """Every row of a rollout once an epoch, in a fresh random order each, cut into equal minibatches.

    A rollout has leading axes `(steps, environments)`; both are shuffled together, or with `whole` each environment's
    steps stay together and come first: a batch is `(episodes, steps, …)`, with `task` per episode.
    """

    name: str
    minibatches: int
    epochs: int = 1
    discount: float | None = None
    whole: bool = False
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        rollout = parts[self.name]
        steps, environments = rollout.reward.shape[:2]
        rows = environments if self.whole else steps * environments
        if rows % self.minibatches:
            raise ValueError(f"{rows} rows cannot be cut into {self.minibatches} equal minibatches.")
        keys = jax.random.split(named(key, "sweep"), times * self.epochs)
        if self.minibatches == 1:  # one batch of everything: order is of no account
            return jnp.broadcast_to(jnp.arange(rows), (times * self.epochs, rows))
        orders = jax.vmap(lambda k: shuffled(rows, key=k))(keys)
        return orders.reshape(times * self.epochs * self.minibatches, rows // self.minibatches)

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        rollout: Batch = parts[self.name]
        task = rollout["task"] if "task" in rollout else None
        rollout = rollout.without("task")
        if self.whole:
            rows = jax.tree.map(lambda x: jnp.swapaxes(jnp.take(x, ticket, axis=1), 0, 1), rollout)
            if task is not None:
                rows = rows.replace(task=jax.tree.map(lambda x: x[ticket], task))
        else:
            rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[ticket], rollout)
        return with_discount(rows, self.discount), {}


@dataclass(frozen=True)
class Both:
    """Several samplers at once; the batch holds one sub-batch under each of their names."""

    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(name for inner in self.parts.values() for name in inner.reads)

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(name for inner in self.parts.values() for name in inner.writes)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return {name: inner.plan(parts, named(key, name), times) for name, inner in self.parts.items()}

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        taken, changes = {}, {}
        for name, inner in self.parts.items():
            taken[name], changed = inner.take(parts, ticket[name], named(key, name))
            changes |= changed
        return Batch(**taken), changes


@dataclass(frozen=True)
class Whole:
    """All rows of a fixed dataset, every update: for small data and exact gradients."""

    name: str
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        del key
        return jnp.zeros((times, 0))

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del ticket, key
        store = parts[self.name]
        return with_discount(getattr(store, "rows", store), self.discount), {}
