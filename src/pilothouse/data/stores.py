"""Stores: parts that remember transitions. A ring keeps the newest; a fixed dataset is a plain `Batch` of rows."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError
from pilothouse.core.spaces import Spec


class Ring(eqx.Module):
    """The newest `capacity` rows, overwritten oldest first. `added` counts every row ever added."""

    rows: Batch
    added: Int[Array, ""]

    @property
    def capacity(self) -> int:
        return jax.tree.leaves(self.rows)[0].shape[0]

    @property
    def count(self) -> Int[Array, ""]:
        """How many rows are filled."""
        return jnp.minimum(self.added, self.capacity)

    def add(self, rows: Batch) -> "Ring":
        """The ring with these rows (leading axis) behind the newest. Rows that are not `valid` are passed over.

        Fields that the ring does not keep are dropped. At most `capacity` rows at once.
        """
        kept = {name: rows[name] for name in self.rows}
        number = jax.tree.leaves(kept)[0].shape[0]
        if number > self.capacity:
            raise ValueError(f"{number} rows do not fit a ring of {self.capacity}.")
        valid = rows["valid"] if "valid" in rows else jnp.ones(number, bool)
        place = self.added + jnp.cumsum(valid) - 1
        # An index beyond the end is dropped by the scatter: that is how invalid rows vanish.
        place = jnp.where(valid, place % self.capacity, self.capacity)
        if number == 1:
            # XLA makes a slice update of a scatter of one row, repeats it inside every later gather, and then copies the
            # whole store to keep the two apart. A second row, which is dropped, keeps it a scatter.
            place = jnp.append(place, self.capacity)
            kept = jax.tree.map(lambda x: jnp.concatenate([x, x]), kept)
        written = jax.tree.map(
            lambda old, new: old.at[place].set(new.astype(old.dtype), mode="drop"), self.rows, Batch(**kept)
        )
        return Ring(rows=written, added=self.added + valid.sum().astype(jnp.int32))


def ring(spec: Spec, capacity: int, *, keep: dict[str, PyTree] | None = None) -> Initialise:
    """An empty ring for transitions of this spec; `keep` adds fields, each given by the zeros of one row."""

    def make(key: PRNGKeyArray) -> Ring:
        del key
        row = {
            "obs": spec.obs.zeros(),
            "action": spec.action.zeros(),
            "reward": jnp.zeros(()),
            "next_obs": spec.obs.zeros(),
            "terminated": jnp.zeros((), bool),
            "truncated": jnp.zeros((), bool),
            "duration": jnp.ones((), jnp.int32),
            "episode_id": jnp.zeros((), jnp.int32),
            **(keep or {}),
        }
        return ring_of(Batch(**row), capacity)

    return make


def ring_of(row: Batch, capacity: int) -> Ring:
    """An empty ring for rows like this one, which gives their shapes and types."""
    rows = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), row)
    return Ring(rows, jnp.zeros((), jnp.int32))


class Window(eqx.Module):
    """Those rows of a larger dataset that the next updates draw: row `i` of it is row `index[i]` of the dataset.

    `index` ascends, and may repeat its last number. `size` is the number of rows of the dataset.
    """

    rows: Batch
    index: Int[Array, " window"]
    size: int = eqx.field(static=True)

    def __getattr__(self, field: str) -> Any:
        if field.startswith("_"):
            raise AttributeError(field)
        raise WiringError(
            f"{field!r} of all rows was asked for, of a dataset that is larger than the budget and stays on disk. Set "
            "PILOTHOUSE_DATA_BUDGET (MiB) above its size to hold it in memory."
        )


def size_of(store: Ring | Batch | Window) -> Int[Array, ""] | int:
    """How many rows may be drawn from."""
    if isinstance(store, Window):
        return store.size
    return store.count if isinstance(store, Ring) else jax.tree.leaves(store)[0].shape[0]


def gather(store: Ring | Batch | Window, indices: Int[Array, " batch"]) -> Batch:
    """The rows at these places. Those asked of a window must be in it."""
    rows = store.rows if isinstance(store, Ring | Window) else store
    if isinstance(store, Window):
        indices = jnp.searchsorted(store.index, indices)
    # Indices come from a draw below the count: promising so spares XLA a clamp on every gather.
    return jax.tree.map(lambda x: x.at[indices].get(mode="promise_in_bounds"), rows)
