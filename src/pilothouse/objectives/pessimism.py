"""Pessimism on tables: values lowered where the data are few (lower confidence bounds)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Initialise, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.objectives.weighting import average


class LowerTable(eqx.Module):
    """A lower bound of each state's value, and the action that it is the bound of."""

    value: Float[Array, " states"]
    choice: Int[Array, " states"]
    actions: int = eqx.field(static=True)

    def __call__(self, obs: Int[Array, ""]) -> Float[Array, " actions"]:
        """1 for the action chosen, 0 for the others: what a greedy policy reads."""
        return jax.nn.one_hot(self.choice[obs], self.actions)


def lower_table(spec: Spec) -> Initialise:
    """Values of 0 and the first action, for Discrete observations and actions. Raises `SpaceError` for others."""
    if not isinstance(spec.obs, Discrete) or not isinstance(spec.action, Discrete):
        raise SpaceError(
            f"A table takes Discrete observations and actions; these are {spec.obs.kind}, {spec.action.kind}."
        )
    states, actions = spec.obs.n, spec.action.n
    return lambda key: LowerTable(jnp.zeros(states), jnp.zeros(states, jnp.int32), actions)


def lower_action_values(
    table: LowerTable, rows: Batch, *, bonus: float | Array, highest: float | Array
) -> Float[Array, "states actions"]:
    r"""$\hat r(s,a) - b(s,a) + \hat P(\gamma V)(s,a)$ by the rows' own counts, $b = bonus \cdot highest/\sqrt{\max(n, 1)}$.

    `highest` is the largest value that there can be. Of a pair that no row holds reward and next value are 0.

    **Source:** Rashidinejad et al., arXiv:2103.12021, algorithm 3.
    """
    states, pairs = table.value.shape[0], table.value.shape[0] * table.actions
    pair = rows.obs * table.actions + rows.action
    number = jax.ops.segment_sum(jnp.ones(pair.shape), pair, pairs)
    total = jax.ops.segment_sum(rows.reward + rows.discount * table.value[rows.next_obs], pair, pairs)
    lower = total / jnp.maximum(number, 1.0) - bonus * highest / jnp.sqrt(jnp.maximum(number, 1.0))
    return lower.reshape(states, table.actions)


def raised(table: LowerTable, lower: Float[Array, "states actions"]) -> LowerTable:
    """The table with the best of `lower` where that is above the bound so far; elsewhere bound and action stay."""
    best = lower.max(axis=1)
    better = best > table.value
    choice = jnp.where(better, lower.argmax(axis=1).astype(jnp.int32), table.choice)
    return LowerTable(jnp.where(better, best, table.value), choice, table.actions)


def most_often(table: LowerTable, rows: Batch) -> LowerTable:
    """The table with the action that the rows take most often in each state, and every bound 0: where it begins."""
    pairs = table.value.shape[0] * table.actions
    number = jax.ops.segment_sum(jnp.ones(rows.obs.shape), rows.obs * table.actions + rows.action, pairs)
    choice = number.reshape(-1, table.actions).argmax(axis=1).astype(jnp.int32)
    return LowerTable(jnp.zeros_like(table.value), choice, table.actions)


def bound_residual(part: str = "table") -> Loss:
    """Mean of `reward + discount V(next) - V` over the rows, which a lower bound keeps at 0 or above. Trains nothing."""

    def residual(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        value = parts[part].value
        gap = batch.reward + batch.discount * value[batch.next_obs] - value[batch.obs]
        return average(batch, gap), {f"{part}/value_mean": value.mean()}

    return residual
