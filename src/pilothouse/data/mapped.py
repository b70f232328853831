"""Arrays that are mapped from files: pages that were read are given back, so that memory stays bounded."""

import mmap

import numpy as np

_PIECE = 2**13


def release(array: np.ndarray) -> None:
    """Give back the memory of what was read of a mapped array; it is read from the file again when asked for.

    Nothing for an array in memory, or where the system knows no such advice.
    """
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def take(array: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """`array[numbers]`, with the memory of a mapped array given back piece by piece; ascending numbers touch the least."""
    taken = np.empty((len(numbers), *array.shape[1:]), array.dtype)
    for start in range(0, len(numbers), _PIECE):
        piece = numbers[start : start + _PIECE]
        taken[start : start + len(piece)] = array[piece]
        release(array)
    return taken
