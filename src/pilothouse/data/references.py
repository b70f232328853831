"""Reference scores: the returns between which a dataset's returns are normalised, where its metadata tell them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.data.minari_format import METADATA, data_folder, read_metadata

LOWEST, HIGHEST, EPISODES = "ref_min_score", "ref_max_score", "num_episodes_average_score"
"""Minari's own words, so that `minari.get_normalized_score` finds them."""


def read_references(source: str | Path) -> tuple[float, float] | None:
    """Mean returns of a random and of a good policy, from the metadata of a Minari dataset; None where there are none.

    What is no Minari dataset has none. Raises `DataError` for references that are not two finite numbers, the first
    below the second.
    """
    try:
        file = data_folder(source) / METADATA
    except DataError:
        return None
    metadata = read_metadata(file)
    given: tuple[Any, Any] = metadata.get(LOWEST), metadata.get(HIGHEST)
    if None in given:
        return None
    try:
        lowest, highest = (float(value) for value in given)
    except (TypeError, ValueError):
        lowest = highest = float("nan")
    if not (np.isfinite(lowest) and np.isfinite(highest) and lowest < highest):
        raise DataError(f"{file}: its reference scores are {given}; expected two numbers, the first below the second.")
    return lowest, highest


def normalised(returns: ArrayLike | float, references: tuple[float, float]) -> np.ndarray:
    """0 at the first reference and 1 at the second, in the shape of `returns`. Raises `SettingError` unless they differ."""
    lowest, highest = references
    if not lowest < highest:
        raise SettingError(f"The references are {lowest:g} and {highest:g}; expected the first below the second.")
    return np.asarray((np.asarray(returns, np.float64) - lowest) / (highest - lowest))
