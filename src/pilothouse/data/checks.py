"""What every dataset must hold to, whatever it came from; each fault is one line with array, episode and row."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.data.dataset import Dataset, observations

_LARGEST = np.finfo(np.float32).max


def check_shape(where: str, name: str, episode: int, given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises `DataError` when an array of one episode does not have the shape that its space and its steps ask for."""
    if tuple(given) != tuple(expected):
        raise DataError(
            f"{where}: {name!r} of episode {episode} has shape {tuple(given)}, expected {tuple(expected)}. "
            "Rewrite that episode, or correct the spaces in the dataset's metadata."
        )


def check_kind(where: str, name: str, episode: int, dtype: np.dtype, kinds: str = "biuf") -> None:
    """Raises `DataError` when an array does not hold numbers of these kinds (NumPy's letters)."""
    if dtype.kind not in kinds:
        wanted = "numbers" if "f" in kinds else "whole numbers" if "i" in kinds else "true and false"
        raise DataError(
            f"{where}: {name!r} of episode {episode} holds {dtype}, expected {wanted}. Rewrite that episode."
        )


def check_values(where: str, dataset: Dataset, *, chained: bool = False) -> None:
    """Raises `DataError` for NaN, infinity or choices out of range, naming array, episode and row.

    Numbers beyond float32 count as infinite, for that is what they become. Actions outside their bounds pass.
    With `chained`, a next observation that is not an episode's last is known to be the observation of the next row.
    """
    spec = dataset.spec
    ends = dataset.starts + dataset.lengths - 1
    for name, space, values in (
        ("observations", spec.obs, dataset.obs),
        ("next observations", spec.obs, dataset.next_obs),
        ("actions", spec.action, dataset.action),
    ):
        for entry, inner, array in observations(space, values):
            label = f"{name}/{entry}" if entry else name
            # The last next observation of an episode is row T of Minari's T + 1 observations.
            offset = 1 if name == "next observations" else 0
            label = label.removeprefix("next ")
            rows = ends if chained and offset else None
            _check_finite(where, label, dataset, array, offset, rows)
            _check_choices(where, label, dataset, inner, array, offset, rows)
    _check_finite(where, "rewards", dataset, dataset.reward, 0)


def same_structure(space: Space, values: Any) -> bool:
    """Whether `values` is a dict of exactly the space's entries, or one array where the space is no Dict."""
    if isinstance(space, DictSpace):
        named = isinstance(values, Mapping) and set(values) == set(space.spaces)
        return named and all(isinstance(value, np.ndarray) for value in values.values())
    return isinstance(values, np.ndarray)


def _check_finite(
    where: str, name: str, dataset: Dataset, array: np.ndarray, offset: int, rows: np.ndarray | None = None
) -> None:
    """Of these rows, or of all."""
    if array.dtype.kind != "f":
        return
    array = array if rows is None else array[rows]
    if array.min() >= -_LARGEST and array.max() <= _LARGEST:  # False for NaN too
        return
    index = np.argwhere(~(np.abs(array) <= _LARGEST))[0]
    episode, row = _place(dataset, int(index[0] if rows is None else rows[index[0]]))
    raise DataError(
        f"{where}: {name!r} holds {array[tuple(index)]} in episode {episode}, row {row + offset}; expected finite "
        "float32 numbers. Repair or leave out that episode."
    )


def _check_choices(
    where: str,
    name: str,
    dataset: Dataset,
    space: Space,
    array: np.ndarray,
    offset: int,
    rows: np.ndarray | None = None,
) -> None:
    if isinstance(space, Discrete | MultiDiscrete):
        low, high = 0, np.asarray(space.n if isinstance(space, Discrete) else space.nvec) - 1
    elif isinstance(space, Box) and np.issubdtype(space.dtype, np.integer):
        limits = np.iinfo(space.dtype)
        low, high = limits.min, np.asarray(limits.max)
    else:
        return
    array = array if rows is None else array[rows]
    wrong = (array < low) | (array > high)
    if array.dtype.kind == "f":
        wrong |= array != np.floor(array)
    if wrong.any():
        index = np.argwhere(wrong)[0]
        episode, row = _place(dataset, int(index[0] if rows is None else rows[index[0]]))
        most = high if high.ndim == 0 else high[index[-1]]
        raise DataError(
            f"{where}: {name!r} holds {array[tuple(index)]} in episode {episode}, row {row + offset}; expected whole "
            f"numbers from {low} to {most}. Correct the space or that episode."
        )


def _place(dataset: Dataset, row: int) -> tuple[int, int]:
    episode = int(dataset.episode_id[row])
    return episode, row - int(dataset.starts[episode])
