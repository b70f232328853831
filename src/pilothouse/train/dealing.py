"""Lanes dealt to devices: each device runs its share by itself, and nothing passes between them.

On a CPU every core is a device, and runs its lanes one after another: matrices of these sizes occupy one core better
than two, and the weights of one lane stay in its cache. Elsewhere a device runs its lanes side by side.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

LARGEST_LANE = 2**24
"""Bytes of a lane's state above which lanes stay together: dealing moves all of it, and a replay is large."""
LARGEST_DATA = 2**30
"""Bytes of fixed data above which they are not copied to every device."""


def divide_cpu() -> None:
    """Make every core that this process may use a device. Too late, and without effect, once JAX has computed anything."""
    try:
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    except RuntimeError:
        pass


@dataclass(frozen=True)
class Deal:
    """So many lanes, dealt evenly to some devices; what is missing of the last round is filled with the last lane."""

    lanes: int
    devices: tuple[Any, ...]

    @classmethod
    def of(cls, lanes: int, state: PyTree, fixed: PyTree) -> "Deal | None":
        """The deal that needs the fewest rounds, and for those the fewest devices; None where one device has it all."""
        devices = jax.local_devices()
        rounds = -(-lanes // len(devices))
        count = -(-lanes // rounds)
        if count == 1 or _bytes(state) > LARGEST_LANE * lanes or _bytes(fixed) > LARGEST_DATA:
            return None
        return cls(lanes, tuple(devices[:count]))

    @property
    def rounds(self) -> int:
        return -(-self.lanes // len(self.devices))

    @property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), ("lanes",))

    def program(self, function: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
        """`function` of one lane for all lanes; arguments of axis 0 have an axis of lanes, those of axis None none."""
        moving = [index for index, axis in enumerate(axes) if axis == 0]

        def share(*given: Any) -> Any:
            def one(lane: tuple[Any, ...]) -> Any:
                mine = dict(zip(moving, lane, strict=True))
                return function(*(mine.get(index, value) for index, value in enumerate(given)))

            lanes = tuple(given[index] for index in moving)
            if self.devices[0].platform == "cpu":
                return jax.lax.map(one, lanes)
            return jax.vmap(one)(lanes)

        specs = tuple(PartitionSpec("lanes") if axis == 0 else PartitionSpec() for axis in axes)
        return jax.shard_map(share, mesh=self._mesh, in_specs=specs, out_specs=PartitionSpec("lanes"), check_vma=False)

    def out(self, tree: PyTree) -> PyTree:
        """What has an axis of lanes, dealt out."""
        order = np.minimum(np.arange(self.rounds * len(self.devices)), self.lanes - 1)
        if len(order) > self.lanes:
            tree = jax.tree.map(lambda x: x[order], tree)
        return jax.device_put(tree, NamedSharding(self._mesh, PartitionSpec("lanes")))

    def everywhere(self, tree: PyTree) -> PyTree:
        """What all lanes share, on every device."""
        return jax.device_put(tree, NamedSharding(self._mesh, PartitionSpec()))

    def back(self, tree: PyTree) -> PyTree:
        """What was dealt out, on the first device again."""
        tree = jax.device_put(tree, self.devices[0])
        return jax.tree.map(lambda x: x[: self.lanes], tree) if self.rounds * len(self.devices) > self.lanes else tree


def _bytes(tree: PyTree) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))
