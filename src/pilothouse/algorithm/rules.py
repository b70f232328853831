"""Rules that many methods share: slow copies, advantages, and rules one after the other."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.objectives.returns import generalised_advantages


def follow(part: str, slow: str, rate: float) -> Rule:
    """Move a slow copy towards its original by this fraction of the way (Polyak averaging)."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key

        def step(old: Any, new: Any) -> Any:
            return old + rate * (new - old) if eqx.is_inexact_array(old) else new

        return {slow: jax.tree.map(step, parts[slow], parts[part])}

    return Rule(change, (slow,), name=f"follow {part}")


def copy(part: str, into: str) -> Rule:
    """Overwrite one part with another: the previous policy, a reference refreshed, a snapshot."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        return {into: parts[part]}

    return Rule(change, (into,), name=f"copy {part}")


def advantages(
    discount: float,
    lam: float,
    *,
    agent: str = "agent",
    rollout: str = "rollout",
    value: Callable[..., Any] | None = None,
    value_after: Callable[[Parts, Batch], Any] | None = None,
) -> Rule:
    """Generalised advantage estimation over a rollout `(steps, environments)`: adds `advantage` and `return_`.

    A termination cuts both the bootstrap and the recursion; a truncation cuts the recursion only and bootstraps from
    the true next observation. `value(parts, obs)` defaults to the second output of the agent; `value_after(parts, row)`
    gives the value of what follows one row where that takes more than its `next_obs`.

    **Source:** Schulman et al., arXiv:1506.02438, equation 16.
    """

    def estimate(parts: Parts, obs: PyTree) -> Any:
        return value(parts, obs) if value is not None else parts[agent](obs)[1]

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows: Batch = parts[rollout]
        states = jax.vmap(jax.vmap(lambda obs: estimate(parts, obs)))
        now = rows["value"] if "value" in rows else states(rows.obs)
        following = value_after
        if following is None:
            after = states(rows.next_obs)
        else:
            after = jax.vmap(jax.vmap(lambda row: following(parts, row)))(rows)
        gae = jax.vmap(
            lambda reward, v, w, over, cut: generalised_advantages(reward, v, w, over, cut, discount=discount, lam=lam),
            in_axes=1,
            out_axes=1,
        )(rows.reward, now, after, rows.terminated, rows.truncated)
        return {rollout: rows.replace(advantage=gae, return_=gae + now)}

    return Rule(change, (rollout,), name="advantages")


def value_after_memory(agent: str = "agent") -> Callable[[Parts, Batch], Any]:
    """The value of what follows a row, by a recurrent agent: its memory of the row is carried to the next observation."""

    def estimate(parts: Parts, row: Batch) -> Any:
        carry = parts[agent](row.obs, row.memory)[2]
        return parts[agent](row.next_obs, carry)[1]

    return estimate


def observe(part: str, rollout: str = "rollout") -> Rule:
    """Count a rollout's observations into the moments of a part that standardises (`networks.standardise`)."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        return {part: parts[part].observe(parts[rollout].obs)}

    return Rule(change, (part,), name=f"observe {part}")


def in_turn(*stages: Callable[[Batch], Batch], rollout: str = "rollout") -> Rule:
    """Pure changes of a rollout, one after the other."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows = parts[rollout]
        for stage in stages:
            rows = stage(rows)
        return {rollout: rows}

    return Rule(change, (rollout,), name="in turn")


def remember(rollout: str, *stores: str, only: str | None = None) -> Rule:
    """Add the valid rows of a rollout `(steps, environments)` to these stores; with `only`, those where that field is true."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), parts[rollout].without("task"))
        if only is not None:
            rows = rows.replace(valid=rows.valid & rows[only])
        return {store: parts[store].add(rows) for store in stores}

    return Rule(change, stores, name=f"remember {rollout}")


def as_executed(rollout: str) -> Rule:
    """Where somebody intervened, the action of a rollout's row becomes what was `executed`.

    Rows of a world that nobody oversees (without `intervened`) stay, and say that nobody intervened.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows: Batch = parts[rollout]
        if "intervened" not in rows:
            return {rollout: rows.replace(intervened=jnp.zeros(rows.reward.shape, bool))}

        def chosen(own: Any, theirs: Any) -> Any:
            return jnp.where(rows.intervened.reshape(*rows.intervened.shape, *[1] * (own.ndim - 2)), theirs, own)

        return {rollout: rows.replace(action=jax.tree.map(chosen, rows.action, rows.executed))}

    return Rule(change, (rollout,), name="as executed")


def as_remembered(rollout: str, name: str) -> Rule:
    """The action of a rollout's rows becomes what the policy remembered beside it: what it chose, not what that came to."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        return {rollout: parts[rollout].replace(action=parts[rollout][name])}

    return Rule(change, (rollout,), name=f"as remembered in {name}")


def scalar(value: float | Array) -> Callable[[PRNGKeyArray], Any]:
    """A part that is one trainable number."""
    return lambda key: jnp.asarray(value, jnp.float32)
