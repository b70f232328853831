"""Point estimates over runs and tasks, each vectorised over the axes that are not reduced."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

Axis = int | tuple[int, ...] | None
Scores = Float[np.ndarray, "..."] | float
"""An array of the axes that are left, or one number."""


@runtime_checkable
class Statistic(Protocol):
    """Reduces `axis` (all axes when None) of an array of scores; what the bootstrap resamples.

    The bootstrap asks for the axes `(-2, -1)`, which are runs and tasks.
    """

    def __call__(self, scores: ArrayLike, axis: Axis = None) -> Scores: ...


def mean(scores: ArrayLike, axis: Axis = None) -> Scores:
    """Mean over `axis`, in the unit of the scores. Equals the mean of task means when every task has as many runs."""
    return np.mean(np.asarray(scores, np.float64), axis=axis)


def median_of_task_means(scores: ArrayLike, axis: Axis = None) -> Scores:
    """Median over tasks (the last reduced axis) of the mean over the other reduced axes (runs).

    **Source:** "Median" of Agarwal et al., arXiv:2108.13264, kept for comparison with older tables.
    """
    array = np.asarray(scores, np.float64)
    *runs, tasks = _axes(array, axis)
    means = np.mean(array, axis=tuple(runs), keepdims=True) if runs else array
    return np.squeeze(np.median(means, axis=tasks, keepdims=True), axis=(*runs, tasks))


def interquartile_mean(scores: ArrayLike, axis: Axis = None) -> Scores:
    """Mean of the middle half: floor(n / 4) values are cut off at each end of the n values pooled over `axis`.

    In the unit of the scores. Fewer than four values give the plain mean. Equals `scipy.stats.trim_mean(…, 0.25)`.

    **Source:** Agarwal et al., arXiv:2108.13264, section 4.3.
    """
    pooled = _pool(np.asarray(scores, np.float64), axis)
    count = pooled.shape[-1]
    cut = int(0.25 * count)
    if cut == 0:
        return np.mean(pooled, axis=-1)
    return np.mean(np.partition(pooled, (cut, count - cut - 1), axis=-1)[..., cut : count - cut], axis=-1)


def optimality_gap(scores: ArrayLike, axis: Axis = None, *, target: float = 1.0) -> Scores:
    """How far the scores fall short of `target` on average; a score above `target` counts as `target`. Lower is better.

    **Source:** Agarwal et al., arXiv:2108.13264, section 4.3.
    """
    return target - np.mean(np.minimum(np.asarray(scores, np.float64), target), axis=axis)


def _axes(array: np.ndarray, axis: Axis) -> tuple[int, ...]:
    chosen = range(array.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(sorted(a % array.ndim for a in chosen))


def _pool(array: np.ndarray, axis: Axis) -> np.ndarray:
    """The reduced axes as one last axis."""
    axes = _axes(array, axis)
    kept = [a for a in range(array.ndim) if a not in axes]
    return np.transpose(array, (*kept, *axes)).reshape(*(array.shape[a] for a in kept), -1)
