"""Tables of columns, Parquet and CSV: which columns are what, and their numbers as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, SettingError, nearest
from pilothouse.data.files import MEND, Allowance

ColumnMap = Mapping[str, str | Sequence[str]]
"""By what they are, the names of columns: `{"obs": ["angle", "speed"], "action": "torque", "episode": "trial"}`."""


@dataclass(frozen=True)
class Columns:
    """Which column is what; several columns are joined side by side, a column of lists brings its numbers in order.

    `rewarded`, `acted`: 0 in the rows whose reward, or action, was not recorded; what stands there may be anything.
    """

    obs: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    next_obs: tuple[str, ...] = ()
    reward: str | None = None
    episode: str | None = None
    terminated: str | None = None
    truncated: str | None = None
    first: str | None = None
    last: str | None = None
    rewarded: str | None = None
    acted: str | None = None

    @classmethod
    def of(cls, given: ColumnMap | None) -> "Columns":
        """Raises `SettingError` for what is no column's role, or several names where one is expected."""
        known, made = [field.name for field in fields(cls)], {}
        for role, names in (given or {}).items():
            if role not in known:
                raise SettingError(f"A column map has {role!r}.{nearest(role, known)} Known: {', '.join(known)}.")
            listed = (names,) if isinstance(names, str) else tuple(names)
            if not listed or not all(isinstance(name, str) and name for name in listed):
                raise SettingError(f"A column map gives {role!r} no column. Write it as {role}=NAME.")
            if role in ("obs", "action", "next_obs"):
                made[role] = listed
            elif len(listed) == 1:
                made[role] = listed[0]
            else:
                raise SettingError(f"A column map gives {role!r} {len(listed)} columns; expected one.")
        return cls(**made)


def parse_columns(pairs: Sequence[str]) -> dict[str, list[str]]:
    """A column map as it is typed: `obs=a,b action=c`. Raises `SettingError`."""
    found = {}
    for pair in pairs:
        role, equals, names = pair.partition("=")
        if not equals:
            raise SettingError(f"--columns {pair!r} is not of the form obs=NAME,NAME.")
        found[role] = [name for name in names.split(",") if name]
    return found


def read_parquets(where: Path, files: Sequence[Path], names: Sequence[str] | None = None) -> Any:
    """The tables of these files, one below the other, only these columns. Raises `DataError` where one is missing."""
    import pyarrow
    import pyarrow.parquet

    if not files:
        raise DataError(f"{where}: holds no Parquet files. {MEND}")
    allowance, tables = Allowance(where, files), []
    for file in files:
        with pyarrow.parquet.ParquetFile(file, memory_map=True) as opened:
            schema = opened.schema_arrow
            missing = [name for name in names or () if name not in schema.names]
            if missing:
                raise DataError(f"{file}: has no column {missing[0]!r}; there are {schema.names}. {MEND}")
            for name in names or schema.names:
                allowance.take(name, (opened.metadata.num_rows, _width(schema.field(name).type)), np.uint8)
            tables.append(opened.read(columns=None if names is None else list(names)))
    if any(table.schema.remove_metadata() != tables[0].schema.remove_metadata() for table in tables):
        raise DataError(f"{where}: its Parquet files differ in their columns. {MEND}")
    return pyarrow.concat_tables(tables)


def _width(kind: Any) -> int:
    """Bytes of a value at least."""
    import pyarrow

    if pyarrow.types.is_fixed_size_list(kind):
        return kind.list_size * _width(kind.value_type)
    try:
        return max(1, kind.bit_width // 8)
    except ValueError:
        return 1


def column_values(where: Path, table: Any, name: str, known: np.ndarray | None = None) -> np.ndarray:
    """The numbers of a column: `[row]`, or `[row, …]` for lists, which must be of one length.

    With `known`, a truth value a row, the rows that are not hold what the first known one does, whatever stands there.

    **Raises:** `DataError` for missing numbers, words, and lists that differ in length.
    """
    import pyarrow

    column = table.column(name).combine_chunks()
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pyarrow.array([], column.type)
    column.validate(full=True)
    if known is not None:
        if not known.any():
            raise DataError(
                f"{where}: {name!r} is said to be missing in every row. Leave out what says so, or record some."
            )
        rows = np.arange(len(column))
        there = rows[known & ~column.is_null().to_numpy(zero_copy_only=False)]
        column = column.take(pyarrow.array(np.where(known, rows, there[0] if len(there) else rows[known][0])))
    return _numbers(where, name, column)


def _numbers(where: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow

    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{where}: {name!r} has {column.null_count} missing values, the first in row {row}. Fill them.")
    kind = column.type
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        rows = len(column)
        if pyarrow.types.is_fixed_size_list(kind):
            size = kind.list_size
        else:
            lengths = np.diff(column.offsets.to_numpy())
            size = int(lengths[0]) if rows else 0
            if (lengths != size).any():
                row = int(np.flatnonzero(lengths != size)[0])
                raise DataError(f"{where}: {name!r} has {lengths[row]} numbers in row {row}, {size} in row 0. {MEND}")
        inner = _numbers(where, name, column.flatten())
        return inner.reshape(rows, size, *inner.shape[1:])
    if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_boolean(kind)):
        raise DataError(f"{where}: {name!r} holds {kind}, expected numbers. Leave it out, or store numbers.")
    return np.array(column.to_numpy(zero_copy_only=False))


def joined(where: Path, table: Any, names: Sequence[str], known: np.ndarray | None = None) -> np.ndarray:
    """Columns side by side: `[row, …]` of one as it is, `[row, entry]` of several. `known` as for `column_values`."""
    found = [column_values(where, table, name, known) for name in names]
    if len(found) == 1:
        return found[0]
    return np.concatenate([array.reshape(len(array), -1) for array in found], axis=1)
