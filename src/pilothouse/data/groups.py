"""Drawing rows of one of the two groups that a dataset holds."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Uniform


@dataclass(frozen=True)
class Where(Uniform):
    """Rows of a store or dataset that `holds(rows)` is true of, drawn uniformly with replacement; there must be one."""

    holds: Callable[[Batch], Bool[Array, " row"]] = lambda rows: jnp.ones(rows.reward.shape, bool)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> Int[Array, "times batch"]:
        so_far = jnp.cumsum(self.holds(parts[self.name]).astype(jnp.int32))
        drawn = jax.random.randint(named(key, "rows"), (times, self.batch), 0, so_far[-1])
        # Number n of them, counted from 0, is where n + 1 have been seen for the first time.
        return jnp.searchsorted(so_far, drawn + 1).astype(jnp.int32)
