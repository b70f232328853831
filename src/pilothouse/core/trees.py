"""Small helpers on pytrees of arrays."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree


def where(condition: Bool[Array, "*batch"], yes: PyTree, no: PyTree) -> PyTree:
    """Leaf by leaf `yes` where the condition holds, else `no`; the condition aligns with the leading axes."""

    def pick(a: Array, b: Array) -> Array:
        shape = condition.shape + (1,) * (jnp.ndim(a) - condition.ndim)
        if jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key):
            return jnp.where(condition, a, b)
        return jnp.where(condition.reshape(shape), a, b)

    return jax.tree.map(pick, yes, no)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every floating-point entry is finite. One sum a leaf: any NaN or infinity survives summation of |x|."""
    leaves = [jnp.isfinite(jnp.sum(jnp.abs(x))) for x in jax.tree.leaves(tree) if eqx.is_inexact_array(x)]
    return jnp.stack(leaves).all() if leaves else jnp.array(True)


def strengthen(tree: PyTree) -> PyTree:
    """A copy with every leaf a strongly typed array of its own.

    A weakly typed leaf costs a silent second compile; two names for one buffer cannot both be donated.
    """
    return jax.tree.map(lambda x: jnp.array(x, dtype=jnp.result_type(x), copy=True), tree)


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """Leaves by readable path, such as `actor/layers/0/weight`. Order is that of the tree."""
    found: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        found["/".join(_segment(entry) for entry in path)] = leaf
    return found


def _segment(entry: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
