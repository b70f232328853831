"""The `World` protocol: what every place to act in answers, from CartPole to text with a verifier.

A JAX world is pure: `reset` and `step` trace under `jit` and `vmap`, for one episode at a time. A *host* world
(`HostWorld`) steps simulators outside the compiled program, many episodes at a time, on NumPy arrays.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Spec

Task = PyTree
"""What one episode is given: a prompt, goal, skill, physics, start state, hint, recorded trace. `()` is the world's own."""


class Outcome(eqx.Module):
    """What one step of a JAX world brings.

    `terminated` ends the episode for good (nothing follows, value 0); `truncated` only stops it (a time limit; the
    value of `next_obs` still counts). `next_obs` is the true next observation, never the first of a new episode.
    """

    next_obs: PyTree
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    extra: dict[str, Any] = eqx.field(default_factory=dict)
    duration: Array = eqx.field(default_factory=lambda: jnp.ones((), jnp.int32))


@runtime_checkable
class World(Protocol):
    """A pure world. Implementations are frozen dataclasses or Equinox modules: physics constants are fields."""

    @property
    def spec(self) -> Spec: ...

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        """Begin an episode of `task`: `(state, obs)`."""
        ...

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        """Do `action` (in the units of `spec.action`): `(state, outcome)`. Resetting is the caller's business."""
        ...


@runtime_checkable
class HostWorld(Protocol):
    """Several copies of a simulator stepped on the host. Arrays are NumPy with one leading axis of `size`."""

    spec: Spec
    size: int

    def reset(self, indices: Sequence[int], seeds: Sequence[int], task: Task = ()) -> PyTree:
        """Begin new episodes in these copies, each with its own seed; returns observations of `len(indices)`."""
        ...

    def step(self, actions: PyTree) -> Batch:
        """Step every copy once: a batch with `next_obs, reward, terminated, truncated`. Never resets by itself."""
        ...

    def close(self) -> None: ...


def as_host(tree: PyTree) -> PyTree:
    """The same tree as NumPy arrays."""
    import jax

    return jax.tree.map(np.asarray, tree)
