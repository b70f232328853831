"""The lanes of one method in the fastest arrangement: in one program, or the odd one by itself.

On a CPU each core runs its share of the lanes, one after another (`dealing.py`). An odd lane then keeps one core busy while
the others wait; by itself, where networks are wide enough for the matrix products to occupy all cores, it takes a little
more than half as long on two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from pilothouse.algorithm.recipe import Bound
from pilothouse.algorithm.steps import Algorithm
from pilothouse.train.evaluation import acting_parts
from pilothouse.train.machine import Build
from pilothouse.train.session import Session, open_session
from pilothouse.train.sources import Source

WIDE = 128
"""Networks of this width occupy several cores by themselves."""
WORTH = 15_000
"""Updates of all lanes together from which a second program is worth its compilation."""


def group_sizes(lanes: int, devices: int, *, wide: bool) -> list[int]:
    """How many lanes go together: all, or all but the odd one."""
    return [lanes - 1, 1] if wide and lanes > devices > 1 and lanes % devices == 1 else [lanes]


class Groups:
    """Sessions of the same method over consecutive lanes, read as one."""

    def __init__(self, sessions: Sequence[Session]):
        self.sessions = list(sessions)

    @classmethod
    def open(
        cls,
        bound: Bound,
        source: Source,
        *,
        seeds: Sequence[int],
        floats: Mapping[str, Sequence[float]],
        steps: int | None,
    ) -> "Groups":
        """Sessions that have learned nothing. `steps` of each lane; None where that is not known yet, and so many."""
        devices = jax.local_devices()
        wide = int(bound.settings.get("width", WIDE)) >= WIDE and (steps is None or steps * len(seeds) >= WORTH)
        sizes = group_sizes(len(seeds), len(devices), wide=wide and devices[0].platform == "cpu")
        made, first = [], 0
        for size in sizes:
            mine = slice(first, first + size)
            some = {name: list(values)[mine] for name, values in floats.items()}
            made.append(open_session(bound, source, seeds=seeds[mine], floats=some, episodes=0))
            first += size
        return cls(made)

    @property
    def lanes(self) -> int:
        return sum(len(session.machine.lanes) for session in self.sessions)

    @property
    def build(self) -> Build:
        return self.sessions[0].build

    @property
    def structure(self) -> Algorithm:
        return self.sessions[0].machine.structure

    @property
    def parts(self) -> dict[str, PyTree]:
        """What acting may read, with an axis of all lanes."""
        return _joined([acting_parts(session.machine.state.parts) for session in self.sessions])

    @property
    def floats(self) -> dict[str, Any]:
        return _joined([session.machine.floats for session in self.sessions])

    def policy_parts(self, lane: int) -> dict[str, PyTree]:
        """Those of one lane, as NumPy arrays."""
        for session in self.sessions:
            if lane < len(session.machine.lanes):
                return session.policy_parts(lane)
            lane -= len(session.machine.lanes)
        raise IndexError(lane)

    def diverged(self) -> list[bool]:
        return [bool(bad) for session in self.sessions for bad in np.asarray(session.diverged())]

    def fault_lines(self) -> list[str]:
        return [line for session in self.sessions for line in session.fault_lines()]


def _joined(trees: Sequence[Any]) -> Any:
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *x: jnp.concatenate(x), *trees)
