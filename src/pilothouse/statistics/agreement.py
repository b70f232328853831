"""How well a stand-in ranks: scores of the same policies in a simulator and in the place that it stands in for."""

import numpy as np
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import finite_scores


def mean_maximum_rank_violation(simulated: ArrayLike, real: ArrayLike) -> float:
    """MMRV: how much real score is mistaken at worst by trusting the simulated order, a policy on average; 0 is perfect.

    Of two policies whose simulated order is not the real one the violation is their real difference; each policy counts
    its largest. In the unit of the real scores, so that mistaking near equals costs little.

    **Raises:** `DataError` for empty, non-finite or unequally many scores.

    **Source:** Li et al., "Evaluating Real-World Robot Manipulation Policies in Simulation", arXiv:2405.05941, section
    III.
    """
    here, there = _paired(simulated, real)
    swapped = (here[:, None] < here[None]) != (there[:, None] < there[None])
    return float((swapped * np.abs(there[:, None] - there[None])).max(axis=1).mean())


def pearson_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Pearson's r, in [-1, 1]; 0 where either does not vary. Raises as `mean_maximum_rank_violation`."""
    first, second = _paired(one, other)
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size > 0 else 0.0


def _paired(one: ArrayLike, other: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = finite_scores(one, "simulated", 1), finite_scores(other, "real", 1)
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} simulated scores and {len(second)} real ones; give one of each for every policy."
        )
    return first, second
