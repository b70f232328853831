"""Datasets as one table, in Parquet or CSV: a row a step, flat columns or columns of lists, and a column map.

With a column that marks the first or the last step of an episode, the table is read as RLDS means it: the last row of an
episode is its last observation alone, and `is_terminal` there says that the action before it ended the episode. Without,
each row is a step with its own ending, and brings `next_obs` or has that of the next row.
Source: https://github.com/google-research/rlds, "Dataset format".
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, nearest
from pilothouse.data.dataset import Dataset
from pilothouse.data.files import MEND, Allowance, refusing
from pilothouse.data.loose_rows import dataset_of_rows, flags, natural
from pilothouse.data.tables import ColumnMap, Columns, column_values, joined, read_parquets

USUAL: dict[str, tuple[str, ...]] = {
    "obs": ("obs", "observation", "observations", "state"),
    "action": ("action", "actions"),
    "next_obs": ("next_obs", "next_observation", "next_observations", "next_state"),
    "reward": ("reward", "rewards"),
    "episode": ("episode", "episode_id", "episode_index", "trajectory"),
    "terminated": ("terminated", "terminal", "terminals", "is_terminal", "terminations"),
    "truncated": ("truncated", "timeout", "timeouts", "truncations"),
    "first": ("is_first",),
    "last": ("is_last",),
}
"""Names that need no column map; each may also be cut up into `NAME_0`, `NAME_1`, … (or `NAME.0`)."""
_WIDE = ("obs", "action", "next_obs")


def read_tabular(path: Path, files: list[Path], columns: ColumnMap | None = None) -> Dataset:
    """The whole table in memory, checked; several files are read one below the other, in the order of their names.

    **Raises:** `DataError`; `SettingError` for a column map that is none.
    """
    given = Columns.of(columns)
    with files[0].open("rb") as file:
        csv = file.read(4) != b"PAR1"
    with refusing(path, "CSV" if csv else "Parquet"):
        table = _read_csv(path, files) if csv else read_parquets(path, files)
        if not len(table):
            raise DataError(f"{path}: holds no rows. Record at least one episode.")
        if len(set(table.column_names)) < len(table.column_names):
            raise DataError(f"{path}: has two columns of one name among {table.column_names[:20]}. Rename one.")
        return _read(path, table, _resolve(path, table.column_names, given))


def _read_csv(path: Path, files: list[Path]) -> Any:
    import pyarrow
    import pyarrow.csv

    allowance = Allowance(path, files)
    allowance.take("the file", (sum(file.stat().st_size for file in files),), np.uint8)
    tables = [pyarrow.csv.read_csv(str(file)) for file in files]
    if any(table.column_names != tables[0].column_names for table in tables):
        raise DataError(f"{path}: its CSV files differ in their columns. {MEND}")
    return pyarrow.concat_tables(tables, promote_options="permissive")


def _resolve(path: Path, names: list[str], given: Columns) -> Columns:
    """The map, filled up by the usual names. Raises `DataError` for a column that is not there."""
    wanted = [name for role in vars(given).values() for name in ((role,) if isinstance(role, str) else role or ())]
    for name in wanted:
        if name not in names:
            raise DataError(f"{path}: has no column {name!r}.{nearest(name, names)} There are {names[:20]}.")
    found: dict[str, Any] = {}
    for role, usual in USUAL.items():
        if getattr(given, role):
            continue
        for name in usual:
            if name in names:
                found[role] = (name,) if role in _WIDE else name
                break
            pieces = _pieces(path, name, names) if role in _WIDE else ()
            if pieces:
                found[role] = pieces
                break
    columns = replace(given, **found)
    for role in ("obs", "action"):
        if not getattr(columns, role):
            raise DataError(
                f"{path}: no column is known as {role!r} among {names[:20]}. Name it: --columns obs=NAME,NAME action=NAME."
            )
    if not (columns.episode or columns.first or columns.last or columns.terminated or columns.truncated):
        raise DataError(
            f"{path}: nothing says where an episode ends among {names[:20]}. Name a column: --columns episode=NAME (or "
            "first, last, terminated, truncated)."
        )
    return columns


def _pieces(path: Path, stem: str, names: list[str]) -> tuple[str, ...]:
    """`stem_0, stem_1, …` in the order of their numbers, which must begin at 0 and leave none out."""
    for mark in ("_", "."):
        numbered = [name for name in names if name.startswith(stem + mark) and name[len(stem) + 1 :].isdecimal()]
        if numbered:
            numbered.sort(key=natural)
            expected = [f"{stem}{mark}{i}" for i in range(len(numbered))]
            if numbered != expected:
                missing = sorted(set(expected) - set(numbered), key=natural)
                raise DataError(f"{path}: has {numbered[-1]!r} but no column {missing[:1]}. Add it, or give --columns.")
            return tuple(numbered)
    return ()


def _read(path: Path, table: Any, columns: Columns) -> Dataset:
    where, rows = str(path), len(table)

    def marks(name: str | None) -> np.ndarray | None:
        return None if name is None else flags(where, name, column_values(path, table, name))

    first, last, terminated = marks(columns.first), marks(columns.last), marks(columns.terminated)
    truncated = marks(columns.truncated)
    ends = _ends_of_episodes(path, table, columns, rows)
    states = first is not None or last is not None
    if first is not None:
        ends[:-1] |= first[1:]
    if last is not None:
        ends |= last
    terminated = np.zeros(rows, bool) if terminated is None else terminated
    after = joined(path, table, columns.next_obs) if columns.next_obs else None
    if states and after is None:
        rule = "states"
        terminated = np.append(terminated[1:], False) & ~ends  # it stands with the observation that followed
    else:
        rule = "steps" if after is None else "transitions"
        ends |= terminated if truncated is None else terminated | truncated
    rewarded, acted = marks(columns.rewarded), marks(columns.acted)
    reward = column_values(path, table, columns.reward, rewarded) if columns.reward else None
    obs, action = joined(path, table, columns.obs), joined(path, table, columns.action, acted)
    about = {"rule": rule, "next_obs": after, "name": path.stem, "rewarded": rewarded, "acted": acted}
    return dataset_of_rows(where, obs, action, reward, terminated, ends, **about)


def _ends_of_episodes(path: Path, table: Any, columns: Columns, rows: int) -> np.ndarray:
    """The last row of each episode by its number or name; rows of one must be neighbours."""
    ends = np.zeros(rows, bool)
    ends[-1] = True
    if columns.episode is None:
        return ends
    import pyarrow

    column = table.column(columns.episode).combine_chunks()
    if column.null_count:
        raise DataError(f"{path}: {columns.episode!r} has {column.null_count} missing values. Fill them.")
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.chunk(0)
    codes = column.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    ends[:-1] = codes[1:] != codes[:-1]
    if ends.sum() > codes.max() + 1:
        seen, begins = set(), np.flatnonzero(np.concatenate([[True], ends[:-1]]))
        row = next(int(i) for i in begins if codes[i] in seen or seen.add(codes[i]))
        raise DataError(
            f"{path}: episode {column[row]} goes on in row {row}, after another; rows of an episode must be neighbours. "
            "Sort the table by episode and step."
        )
    return ends
