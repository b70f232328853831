"""From arrays of actions to what each Gymnasium environment's `step` takes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pilothouse.core.errors import SpaceError


def action_converter(theirs: Any) -> Callable[[Any], Any]:
    """A function from actions with a leading axis of copies to a sequence with one action of Gymnasium's kind a copy.

    Float boxes are clipped to their bounds and cast to the space's own dtype; choices, counted from 0, are shifted to
    the space's start. Raises `SpaceError` for other spaces.
    """
    from gymnasium import spaces

    match theirs:
        case spaces.Box() if np.issubdtype(theirs.dtype, np.floating):
            low, high, dtype = theirs.low, theirs.high, theirs.dtype
            return lambda actions: np.minimum(np.maximum(actions, low), high).astype(dtype, copy=False)
        case spaces.Discrete():
            start = int(theirs.start)
            return lambda actions: (actions + start).tolist()
        case spaces.MultiDiscrete() if theirs.nvec.ndim == 1:
            return lambda actions: (actions + theirs.start).astype(theirs.dtype, copy=False)
        case spaces.Dict():
            inner = {name: action_converter(space) for name, space in theirs.items()}

            def convert(actions: Any) -> list[dict[str, Any]]:
                rows = {name: each(actions[name]) for name, each in inner.items()}
                return [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]

            return convert
    raise SpaceError(f"Actions of {str(theirs)[:80]} are not supported; expected floats in a Box, choices, or a Dict.")
