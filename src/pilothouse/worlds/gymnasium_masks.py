"""Action masks as Gymnasium environments give them, as one flat row of the observation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int8

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import MASK, DictSpace, Discrete, MultiDiscrete, Space, choices_of


def flat_mask(given: Any, action: Space) -> Int8[np.ndarray, " choices"]:
    """1 for each choice that is allowed, 0 for the others; the choices of several actions joined, a Dict's by name.

    `given` is what `Space.sample` takes: an array, a tuple with an array for each of several choices, a dict with one
    for each name; or all of it as one array. None, or a name left out, allows everything.

    **Raises:** `SpaceError` unless there is one number for each choice.
    """
    choices = choices_of(action)
    if given is None:
        return np.ones(choices, np.int8)
    if isinstance(given, Mapping) and isinstance(action, DictSpace):
        parts = [flat_mask(given.get(name), inner) for name, inner in action.items]
        return np.concatenate(parts)
    if isinstance(given, tuple) and isinstance(action, MultiDiscrete) and len(given) == len(action.nvec):
        return np.concatenate([flat_mask(part, Discrete(n)) for part, n in zip(given, action.nvec, strict=True)])
    try:
        flat = np.asarray(given).ravel()
    except ValueError:  # parts of differing sizes
        flat = np.asarray(None).ravel()
    if flat.dtype.kind not in "biuf" or len(flat) != choices or not choices:
        what = f"{len(flat)} entries" if flat.dtype.kind in "biuf" else "something else than numbers"
        advice = "Give one number for each choice: 1 where it is allowed." if choices else "Leave it out."
        raise SpaceError(
            f'The mask in info["{MASK}"] has {what}, and {action.kind} actions have {choices or "no"} choices. {advice}'
        )
    return (flat > 0).astype(np.int8)
