"""Forests of decision trees as arrays: grown on the host by scikit-learn, asked inside compiled programs."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Initialise


class Forest(eqx.Module):
    """The mean of what the leaves of all trees say of one row.

    From node n a row goes to `left[n]` where its entry `feature[n]` is at most `threshold[n]`, else to `right[n]`; a leaf
    leads to itself. A tree begins at its node 0.
    """

    feature: Int[Array, "trees nodes"]
    threshold: Float[Array, "trees nodes"]
    left: Int[Array, "trees nodes"]
    right: Int[Array, "trees nodes"]
    output: Float[Array, "trees nodes outputs"]

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " outputs"]:
        each = jnp.arange(len(self.feature))

        def descend(node: Int[Array, " trees"]) -> Int[Array, " trees"]:
            below = x[self.feature[each, node]] <= self.threshold[each, node]
            return jnp.where(below, self.left[each, node], self.right[each, node])

        leaf = jax.lax.while_loop(lambda node: (descend(node) != node).any(), descend, jnp.zeros_like(each))
        return self.output[each, leaf].mean(axis=0)


def even_forest(trees: int, nodes: int, outputs: int) -> Initialise:
    """Trees of a single leaf that give every output the same share."""

    def make(key: PRNGKeyArray) -> Forest:
        del key
        itself = jnp.broadcast_to(jnp.arange(nodes, dtype=jnp.int32), (trees, nodes))
        nought = jnp.zeros((trees, nodes))
        return Forest(jnp.zeros_like(itself), nought, itself, itself, jnp.full((trees, nodes, outputs), 1 / outputs))

    return make


def forest_of(grown: Sequence[Any], classes: Sequence[int], nodes: int, outputs: int) -> Forest:
    """The `tree_` of scikit-learn's classifiers as one forest, in rooms of `nodes`; `classes[i]` is the output that their
    i-th class stands for.

    Thresholds go down to the next float32, so that a float32 row falls on the side on which scikit-learn has it.
    """
    arrays = [_arrays(tree, classes, nodes, outputs) for tree in grown]
    return Forest(*(jnp.asarray(np.stack(each)) for each in zip(*arrays, strict=True)))


def _arrays(tree: Any, classes: Sequence[int], nodes: int, outputs: int) -> tuple[np.ndarray, ...]:
    if tree.node_count > nodes:
        raise ValueError(f"A tree of {tree.node_count} nodes does not fit a room of {nodes}.")
    itself = np.arange(nodes, dtype=np.int32)
    leaf = np.ones(nodes, bool)
    leaf[: tree.node_count] = tree.children_left < 0

    def room(values: np.ndarray, dtype: Any) -> np.ndarray:
        wide = np.zeros((nodes, *values.shape[1:]), dtype)
        wide[: tree.node_count] = values
        return wide

    exact = tree.threshold.astype(np.float64)
    near = exact.astype(np.float32)
    near = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
    output = np.zeros((nodes, outputs), np.float32)
    output[: tree.node_count, list(classes)] = share
    return (
        np.where(leaf, 0, room(tree.feature, np.int32)),
        room(near, np.float32),
        np.where(leaf, itself, room(tree.children_left, np.int32)),
        np.where(leaf, itself, room(tree.children_right, np.int32)),
        output,
    )
