"""Repeated attempts at the same items: what a score over few of them is worth. Grades are `[seed, item]`, True or False."""

import math

import numpy as np
import scipy.special
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError


def accuracies(grades: ArrayLike) -> Float[np.ndarray, " seed"]:
    """The share of items that each seed got right. Raises `DataError` for no grades, or another shape."""
    return _checked(grades).mean(axis=1)


def expected_seed_deviation(grades: ArrayLike) -> float:
    r"""The standard deviation of accuracies over seeds, if attempts at an item are independent: $\sqrt{\sum_i p_i (1 -
    p_i)} / n$, each $p_i (1 - p_i)$ estimated without bias from the seeds.

    Items that all seeds get right, or wrong, add nothing. Raises `DataError` for fewer than two seeds.
    """
    array = _checked(grades)
    seeds, items = array.shape
    if seeds < 2:
        raise DataError("One seed says nothing of how seeds differ; give at least two.")
    share = array.mean(axis=0)
    return math.sqrt(float((share * (1 - share)).sum()) * seeds / (seeds - 1)) / items


def pass_at_k(grades: ArrayLike, k: int) -> float:
    r"""The chance that at least one of k attempts at an item is right, items on average: $1 - \binom{n - c}{k} /
    \binom{n}{k}$ for c right of n, unbiased.

    **Raises:** `DataError` as `accuracies`; `SettingError` unless k is in 1 … seeds.

    **Source:** Chen et al., "Evaluating Large Language Models Trained on Code", arXiv:2107.03374, equation 1.
    """
    array = _checked(grades)
    if not 1 <= k <= len(array):
        raise SettingError(f"k={k} of {len(array)} attempts; expected a number from 1 to {len(array)}.")
    wrong = len(array) - array.sum(axis=0)
    return float((1 - scipy.special.comb(wrong, k) / scipy.special.comb(len(array), k)).mean())


def _checked(grades: ArrayLike) -> Bool[np.ndarray, "seed item"]:
    array = np.asarray(grades)
    if array.ndim != 2 or not array.size or not np.isin(array, (0, 1)).all():
        raise DataError(f"Grades have shape {array.shape}; expected (seeds, items) of True and False, at least one.")
    return array.astype(bool)
