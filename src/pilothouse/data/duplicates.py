"""Rows and episodes that occur more than once, found by 64-bit hashes: one pass, no sorting of long rows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt64

from pilothouse.data.dataset import Dataset, observations

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_CHUNK = 2**23
"""Entries hashed at a time, so that pixels need no second copy of themselves."""


@dataclass(frozen=True)
class Duplicates:
    """`transitions`, `episodes`: how many are repetitions of an earlier one, bit for bit; the first does not count."""

    transitions: int
    episodes: int


def duplicates(dataset: Dataset) -> Duplicates:
    """Counts repeated transitions (`obs, action, reward, next_obs`, both endings) and repeated episodes.

    Equal rows always count. Different rows count as equal only where their 64-bit hashes meet: about one chance in 40
    million for a whole dataset of a million rows.
    """
    dataset.require("a count of repeated rows")
    columns = [dataset.reward, dataset.terminated, dataset.truncated]
    for space, values in (
        (dataset.spec.obs, dataset.obs),
        (dataset.spec.action, dataset.action),
        (dataset.spec.obs, dataset.next_obs),
    ):
        columns += [array for _, _, array in observations(space, values)]
    rows = hash_rows(columns)
    whole = _hash_episodes(rows, dataset)
    return Duplicates(len(rows) - len(np.unique(rows)), len(whole) - len(np.unique(whole)))


def hash_rows(arrays: Iterable[np.ndarray]) -> UInt64[np.ndarray, " row"]:
    """One number for each row of several arrays with the same leading axis; equal rows have equal numbers."""
    total: np.ndarray | None = None
    for array in arrays:
        flat = _words(array)
        total = np.zeros(len(flat), np.uint64) if total is None else total
        rows = max(_CHUNK // max(flat.shape[1], 1), 1)
        for begin in range(0, len(flat), rows):
            part = slice(begin, begin + rows)
            total[part] = _absorb(total[part], flat[part])
    if total is None:
        raise ValueError("hash_rows needs at least one array")
    return total


def _words(array: np.ndarray) -> np.ndarray:
    """The array as whole numbers, `[row, word]`: floats by their bits, with -0.0 as 0.0."""
    flat = array.reshape(len(array), -1)
    if flat.dtype.kind == "f":
        flat = flat.astype(np.float64 if flat.dtype.itemsize == 8 else np.float32, copy=False) + 0.0
        return flat.view(np.uint64 if flat.dtype.itemsize == 8 else np.uint32)
    return flat


def _absorb(state: np.ndarray, words: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        for column in range(words.shape[1]):
            state = _mixed(state * np.uint64(31) + _STEP + words[:, column].astype(np.uint64))
    return state


def _mixed(x: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit numbers whose every output bit depends on every input bit."""
    x = (x ^ (x >> np.uint64(30))) * _MIX
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hash_episodes(rows: np.ndarray, dataset: Dataset) -> np.ndarray:
    """The order of the rows counts: each is mixed with its place before they are added up."""
    place = np.arange(len(rows), dtype=np.int64) - np.repeat(dataset.starts, dataset.lengths)
    with np.errstate(over="ignore"):
        placed = _mixed(rows + _STEP * (place.astype(np.uint64) + np.uint64(1)))
        return np.add.reduceat(placed, dataset.starts) + _STEP * dataset.lengths.astype(np.uint64)
