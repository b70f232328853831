"""The actions that each copy of a simulator has taken since its reset: what a resumed run replays."""

from typing import Any

import numpy as np

Actions = Any
"""An array, or a dict of arrays."""


class ActionLog:
    """Rows of actions, one row a step for all copies together; each copy's own begin at its last reset.

    Appending costs one array copy a step. Rows from before every copy's reset are dropped when room runs out, so the
    size follows the longest episode under way and not the run.
    """

    def __init__(self, example: Actions, capacity: int = 256):
        """`example`: actions of all copies (leading axis of copies), for their shapes and types."""
        self._flat = not isinstance(example, dict)
        parts = {"": example} if self._flat else example
        self._rows = {name: np.empty((capacity, *np.shape(part)), part.dtype) for name, part in parts.items()}
        self._size = len(next(iter(parts.values())))
        self._room, self._count = capacity, 0
        self._began = [0] * self._size

    def begin(self, index: int) -> None:
        """A copy was reset: forget what it did."""
        self._began[index] = self._count

    def append(self, actions: Actions) -> None:
        """Every copy took one step."""
        if self._count == self._room:
            self._make_room()
        if self._flat:
            self._rows[""][self._count] = actions
        else:
            for name, rows in self._rows.items():
                rows[self._count] = actions[name]
        self._count += 1

    def since_reset(self) -> list[Actions]:
        """For each copy its actions since its reset, oldest first; copies, safe to keep."""
        return [self._join(lambda rows, i=i: rows[self._began[i] : self._count, i].copy()) for i in range(self._size)]

    def restore(self, histories: list[Actions]) -> None:
        """Hold exactly these actions, as if they had just been taken."""
        lengths = [length_of(history) for history in histories]
        self._count = max(lengths, default=0)
        self._began = [self._count - length for length in lengths]
        while self._room <= self._count:
            self._room *= 2
        for name, rows in self._rows.items():
            self._rows[name] = np.empty((self._room, *rows.shape[1:]), rows.dtype)
            for i, history in enumerate(histories):
                part = history if self._flat else history[name]
                self._rows[name][self._began[i] : self._count, i] = part

    def _make_room(self) -> None:
        kept = min(self._began)
        left = self._count - kept
        self._room = self._room if left <= self._room // 2 else 2 * self._room
        for name, rows in self._rows.items():
            self._rows[name] = np.empty((self._room, *rows.shape[1:]), rows.dtype)
            self._rows[name][:left] = rows[kept : self._count]
        self._began = [began - kept for began in self._began]
        self._count = left

    def _join(self, take) -> Actions:
        return take(self._rows[""]) if self._flat else {name: take(rows) for name, rows in self._rows.items()}


def length_of(history: Actions) -> int:
    """How many steps a history holds."""
    return len(next(iter(history.values()))) if isinstance(history, dict) else len(history)
