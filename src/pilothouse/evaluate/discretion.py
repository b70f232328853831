"""How much was left to whoever labelled: votes of principles, and what an annotator made of their conflicts.

A vote is 1 where a principle prefers the first of two, -1 where it prefers the second, 0 where it is indifferent; a label
is 1 or -1. Where all principles that vote agree, a label against them is arbitrary; where they conflict, whoever labels
decides which of them wins.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.comparisons import bradley_terry

Votes = Int[np.ndarray, "pair principle"]


class Agreement(NamedTuple):
    """Which pairs leave the annotator how much: masks that hold each pair once."""

    consensus: Bool[np.ndarray, " pair"]
    conflict: Bool[np.ndarray, " pair"]
    indifference: Bool[np.ndarray, " pair"]


def agreement(votes: ArrayLike) -> Agreement:
    """Consensus where some vote and none against another, conflict where two do, indifference where none votes.

    **Raises:** `DataError` for votes other than -1, 0 and 1.
    """
    array = _votes(votes)
    for_first, for_second = (np.asarray((sign * array > 0).any(axis=1)) for sign in (1, -1))
    return Agreement(for_first != for_second, for_first & for_second, np.logical_not(for_first | for_second))


def arbitrariness(votes: ArrayLike, labels: ArrayLike) -> float:
    """The share of the pairs with consensus that were labelled against it; 0 where there is no consensus anywhere."""
    array, given = _votes(votes), _labels(labels, votes)
    where = agreement(array).consensus
    return float((np.sign(array.sum(axis=1)) * given < 0)[where].mean()) if where.any() else 0.0


def supremacy(
    votes: ArrayLike, labels: ArrayLike
) -> tuple[Float[np.ndarray, "principle principle"], Int[np.ndarray, "principle principle"]]:
    """How often the label sided with the first of two principles in conflict (NaN where they never are), of how many."""
    array, given = _votes(votes), _labels(labels, votes)
    won = array * given[:, None] > 0
    conflicts = (array[:, :, None] * array[:, None, :]) < 0
    count = conflicts.sum(axis=0)
    wins = (conflicts & won[:, :, None]).sum(axis=0)
    return np.divide(wins, count, out=np.full(count.shape, np.nan), where=count > 0), count


def priorities(votes: ArrayLike, labels: ArrayLike, *, ridge: float = 1e-2) -> Float[np.ndarray, " principle"]:
    """A weight for every principle, as of players who won and lost the conflicts: the likelier winner has the larger.

    Bradley and Terry's model of the supremacies, held towards 0 by `ridge`, so that one that always won stays finite.

    **Source:** Buyl et al., "AI Alignment at Your Discretion", arXiv:2502.10441, and the authors' code (their Elo).
    """
    share, count = supremacy(votes, labels)
    return bradley_terry(np.nan_to_num(share) * count, ridge=ridge)


def discrepancy(one: ArrayLike, other: ArrayLike) -> float:
    """The share of pairs of principles that two annotators rank otherwise: Kendall's distance over its largest, in [0, 1].

    **Raises:** `DataError` for fewer than two principles, or unequally many.
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise DataError(
            f"Priorities of {first.shape} and {second.shape}; expected those of the same principles, two or more."
        )
    upper = np.triu_indices(len(first), 1)
    signs = (np.sign(rank[:, None] - rank)[upper] for rank in (first, second))
    return float((np.prod(list(signs), axis=0) < 0).mean())


def _votes(votes: ArrayLike) -> np.ndarray:
    array = np.asarray(votes)
    if array.ndim != 2 or not array.size or not np.isin(array, (-1, 0, 1)).all():
        raise DataError(f"Votes have shape {array.shape}; expected (pairs, principles) of -1, 0 and 1.")
    return array.astype(np.int64)


def _labels(labels: ArrayLike, votes: ArrayLike) -> np.ndarray:
    array = np.asarray(labels)
    if array.shape != (len(np.asarray(votes)),) or not np.isin(array, (-1, 1)).all():
        raise DataError(f"Labels have shape {array.shape}; expected one of -1 and 1 for every pair.")
    return array.astype(np.int64)
