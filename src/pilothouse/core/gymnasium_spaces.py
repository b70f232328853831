"""Gymnasium's spaces as ours, and back. Gymnasium is imported only when a function here is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, box_from_bounds

if TYPE_CHECKING:
    import gymnasium

SUPPORTED = "Box (float, uint8 or int8), Discrete, one-dimensional MultiDiscrete, and one level of Dict over these"
_KEPT = ("uint8", "int8")
"""Pixels, and 0/1 action masks; every float becomes float32."""


def from_gymnasium(space: gymnasium.Space) -> Space:
    """Our description of a Gymnasium space.

    Float boxes become float32 whatever their precision, and bounds beyond float32 become infinite. A Discrete or
    MultiDiscrete space that does not count from 0 loses its start: `discrete_start` gives it back.

    **Raises:** `SpaceError` for any other space, naming what is supported.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        nested = sorted(
            str(name) for name, inner in space.spaces.items() if isinstance(inner, spaces.Dict | spaces.Tuple)
        )
        strange = [name for name in space.spaces if not isinstance(name, str)]
        if nested or strange or not space.spaces:
            what = f"has entries {nested} that hold further spaces" if nested else "is empty"
            what = f"has entries {strange} whose names are no strings" if strange else what
            raise SpaceError(f"This Dict space {what}; supported: {SUPPORTED}. Flatten it with a wrapper.")
        return DictSpace.of({name: from_gymnasium(inner) for name, inner in space.spaces.items()})
    if isinstance(space, spaces.Box):
        return box_of(space.low, space.high, str(space.dtype))
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    if isinstance(space, spaces.MultiDiscrete) and np.ndim(space.nvec) == 1:
        return MultiDiscrete(tuple(int(n) for n in space.nvec))
    raise SpaceError(f"Unsupported space {_brief(space)}; supported: {SUPPORTED}. Convert it with a wrapper.")


def discrete_start(space: gymnasium.Space) -> Any:
    """What to add to our choices, which count from 0, to get those of `space`.

    An int for Discrete, an int64 array for MultiDiscrete, a dict for Dict, and 0 for all else.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return {str(name): discrete_start(inner) for name, inner in space.spaces.items()}
    if isinstance(space, spaces.MultiDiscrete):
        return np.asarray(space.start, np.int64)
    return int(space.start) if isinstance(space, spaces.Discrete) else 0


def to_gymnasium(space: Space) -> gymnasium.Space:
    """The Gymnasium space of our description; inverse of `from_gymnasium` for the spaces that it keeps whole.

    **Raises:** `SpaceError` for `Tokens`, which Gymnasium has no word for.
    """
    from gymnasium import spaces

    match space:
        case Box():
            low, high = (_in_dtype(bound, space.dtype) for bound in space.bounds())
            return spaces.Box(low, high, space.shape, np.dtype(space.dtype).type)
        case Discrete():
            return spaces.Discrete(space.n)
        case MultiDiscrete():
            return spaces.MultiDiscrete(np.array(space.nvec))
        case DictSpace():
            return spaces.Dict({name: to_gymnasium(inner) for name, inner in space.items})
        case _:
            raise SpaceError(f"Gymnasium has no space for {space}; supported: {SUPPORTED}.")


def box_of(low: np.ndarray, high: np.ndarray, dtype: str) -> Box:
    """Our box for bounds and dtype as Gymnasium writes them: floats become float32, uint8 and int8 stay.

    **Raises:** `SpaceError` for any other dtype, and for a box without entries.
    """
    kind = np.dtype(dtype)
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if not low.size:
        raise SpaceError(f"A Box of shape {low.shape} has no entries; supported: {SUPPORTED}. Leave it out.")
    if kind.name in _KEPT:
        return box_from_bounds(low, high, kind.name)
    if not np.issubdtype(kind, np.floating):
        raise SpaceError(f"Unsupported Box of {kind}; supported: {SUPPORTED}. Convert it with a wrapper.")
    largest = float(np.finfo(np.float32).max)
    # Older Gymnasium tasks write "unbounded" as the largest float32.
    low, high = np.where(low <= -largest, -np.inf, low), np.where(high >= largest, np.inf, high)
    return box_from_bounds(low, high, "float32")


def _in_dtype(bound: np.ndarray, dtype: str) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        bound = np.clip(bound, limits.min, limits.max)
    return bound.astype(dtype)


def _brief(space: Any) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
