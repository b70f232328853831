"""What a policy that is told a return has to know of the data's returns, noted once before anything is learned."""

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule, Stage
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.data.trajectories import first_rows, returns_to_go
from pilothouse.objectives.return_conditioned import ReturnRange, ReturnScale


def note_returns(quantile: float = 1.0, *, data: str = "data", into: str = "returns") -> Stage:
    """A stage of one cycle: mean and deviation of returns-to-go, and as target this quantile of the episodes' returns.

    The quantile is the lowest return that at least this share of the episodes do not exceed; 1 is the highest.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows: Batch = parts[data]
        to_go = returns_to_go(rows.reward, rows.episode_id)
        begins = first_rows(rows.episode_id)
        # Returns of episodes in order, then the rows at which none begins.
        ordered = jnp.sort(jnp.where(begins, to_go, jnp.inf))
        place = jnp.ceil(quantile * begins.sum() - 1e-4).astype(jnp.int32) - 1
        target = ordered[jnp.clip(place, 0, begins.sum() - 1)]
        return {into: ReturnScale(to_go.mean(), jnp.maximum(to_go.std(), 1e-3), target)}

    return Stage((Rule(change, (into,), name="note returns"),), cycles=1)


def note_range(discount: float | Array = 1.0, *, data: str = "data", into: str = "range") -> Stage:
    """A stage of one cycle: the lowest and the highest (discounted) return-to-go of any row."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        to_go = returns_to_go(parts[data].reward, parts[data].episode_id, discount)
        return {into: ReturnRange(to_go.min(), to_go.max())}

    return Stage((Rule(change, (into,), name="note range"),), cycles=1)
