"""What is different between a policy and another made from it: how much, how often, and where."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from pilothouse.networks.distributions import Distribution, kl


class PolicyChange(NamedTuple):
    """How a policy differs from its original over some observations.

    `divergence`: mean of KL(original, changed) in nats; `switched`: share of the observations at which the likeliest
    action differs; `where`: the observations of largest divergence, the largest first; `there`: it, in nats.
    """

    divergence: Float[Array, ""]
    switched: Float[Array, ""]
    where: PyTree
    there: Float[Array, " top"]


def policy_change(
    original: Callable[[PyTree], Any],
    changed: Callable[[PyTree], Any],
    obs: PyTree,
    *,
    valid: Array | None = None,
    top: int = 10,
) -> PolicyChange:
    """Compare two actors (or agents) of one kind over observations `[row, …]`, such as those the original meets.

    Rows that are not `valid` count for nothing. Traces under `jit` and `vmap`.
    """
    one, other = jax.vmap(lambda o: _distribution(original(o)))(obs), jax.vmap(lambda o: _distribution(changed(o)))(obs)
    apart = kl(one, other)
    weight = jnp.ones(apart.shape) if valid is None else jnp.asarray(valid, jnp.float32)
    share = weight / jnp.maximum(weight.sum(), 1.0)
    same = jax.tree.map(lambda a, b: (a == b).reshape(len(apart), -1).all(axis=1), one.mode(), other.mode())
    switched = ~jnp.stack(jax.tree.leaves(same)).all(axis=0)
    there, rows = jax.lax.top_k(jnp.where(weight > 0, apart, -jnp.inf), min(top, len(apart)))
    where = jax.tree.map(lambda x: x[rows], obs)
    return PolicyChange((apart * share).sum(), (switched * share).sum(), where, there)


def _distribution(said: Any) -> Distribution:
    return said[0] if isinstance(said, tuple) else said
