"""Episodes of a Minari dataset in Arrow or Parquet: one folder an episode, one row a step and one for the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Discrete, Space
from pilothouse.data.episodes import Episode, leaf_shape
from pilothouse.data.files import MEND, Allowance, files_of
from pilothouse.data.images import decode_jpegs
from pilothouse.data.minari_format import Layout

COLUMNS = ("observations", "actions", "rewards", "terminations", "truncations")


def read_episodes(layout: Layout) -> Iterator[Episode]:
    """The episodes in order, choices counted from 0. Actions, rewards and endings leave out their last, empty row."""
    found = sum(entry.is_dir() and entry.name.isdigit() for entry in layout.folder.iterdir())
    if found != layout.total:
        raise DataError(f"{layout.folder}: holds {found} episodes; the metadata speak of {layout.total}. {MEND}")
    allowance = Allowance(layout.folder, files_of(layout.folder))
    for index in range(layout.total):
        yield _episode(layout, layout.folder / str(index), allowance)


def _episode(layout: Layout, folder: Path, allowance: Allowance) -> Episode:
    import pyarrow.dataset

    opened = pyarrow.dataset.dataset(str(folder), format=layout.format, ignore_prefixes=["_", ".", "metadata.json"])
    allowance.take("rows", (opened.count_rows(), 8), np.uint8)
    table = opened.to_table(columns=list(COLUMNS))
    table.validate(full=True)  # before anything follows an offset of the file's
    columns = {name: table.column(name).combine_chunks() for name in COLUMNS}
    steps = max(len(table) - 1, 0)
    spec = layout.spec
    return Episode(
        obs=_decode(layout, folder, "observations", columns["observations"], spec.obs, layout.obs_start),
        action=_decode(layout, folder, "actions", columns["actions"][:steps], spec.action, layout.action_start),
        reward=_numbers(columns["rewards"][:steps], folder, "rewards"),
        terminated=_numbers(columns["terminations"][:steps], folder, "terminations"),
        truncated=_numbers(columns["truncations"][:steps], folder, "truncations"),
    )


def _decode(layout: Layout, folder: Path, name: str, column: Any, space: Space, start: Any) -> Any:
    import pyarrow

    if isinstance(space, DictSpace):
        if not pyarrow.types.is_struct(column.type):
            raise DataError(f"{folder}: {name!r} holds {column.type}, expected entries {sorted(space.spaces)}. {MEND}")
        fields = dict(zip([field.name for field in column.type], column.flatten(), strict=True))
        missing = sorted(set(space.spaces) - set(fields))
        if missing:
            raise DataError(f"{folder}: {name!r} lacks {missing}. {MEND}")
        return {
            key: _decode(layout, folder, f"{name}/{key}", fields[key], inner, start[key]) for key, inner in space.items
        }
    if isinstance(space, Discrete):
        values = _numbers(column, folder, name)
    elif layout.jpeg and isinstance(space, Box) and pyarrow.types.is_binary(column.type):
        return decode_jpegs(column.to_pylist(), leaf_shape(space), f"{folder}: {name!r}")
    else:
        flat = _numbers(column.flatten(), folder, name)
        size = int(np.prod(leaf_shape(space)))
        if flat.size != len(column) * size:
            per_row = flat.size / max(len(column), 1)
            raise DataError(f"{folder}: {name!r} has {per_row:g} numbers a row, expected {size}. {MEND}")
        values = flat.reshape(len(column), *leaf_shape(space))
    return values - start if np.any(start) else values


def _numbers(column: Any, folder: Path, name: str) -> np.ndarray:
    if column.null_count:
        raise DataError(f"{folder}: {name!r} lacks {column.null_count} of its numbers. {MEND}")
    return np.array(column.to_numpy(zero_copy_only=False))
