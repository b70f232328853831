"""Violation of expectation: somebody who foretells is put before endings, and is to be more surprised by the unexpected."""

import numpy as np
from jaxtyping import Float


def surprise(
    foretold: Float[np.ndarray, "session frame entry"], done: Float[np.ndarray, "session frame entry"], *, last: int
) -> Float[np.ndarray, " session"]:
    """How far what was done was from what was foretold where it was farthest, in the `last` frames of each session.

    The squared difference, averaged over entries. One step is enough to surprise, so frames are not averaged.
    """
    return np.square(foretold - done).mean(axis=2)[:, -last:].max(axis=1)


def more_surprised(unexpected: Float[np.ndarray, " pair"], expected: Float[np.ndarray, " pair"]) -> float:
    """The share of pairs in which the unexpected ending surprises more. A tie is half a pair: who cannot tell has 0.5."""
    return float(np.mean((unexpected > expected) + 0.5 * (unexpected == expected)))
