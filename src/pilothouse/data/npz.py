"""NumPy's `.npz`, read with suspicion: declared sizes are compared before anything is unpacked, nothing is unpickled."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.data.files import MEND, Allowance

HEADER = 4096
"""Bytes that the header of an array may have."""


def names_in(path: Path) -> list[str]:
    """The names of the arrays in the file."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of these arrays that are there.

    **Raises:** `DataError` for arrays of objects, arrays that declare other sizes than they have, or too large ones;
    whatever `zipfile` and NumPy raise for damaged files.
    """
    allowance = Allowance(path, [path])
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        for name in names:
            if name not in entries:
                continue
            entry = entries[name]
            with archive.open(entry) as stream:
                shape, dtype = _declared(stream)
            if dtype.hasobject or dtype.kind not in "biuf":
                raise DataError(f"{path}: {name!r} holds {dtype}, expected numbers. {MEND}")
            size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
            if min(shape, default=0) < 0 or not 0 <= entry.file_size - size <= HEADER:
                raise DataError(
                    f"{path}: {name!r} declares {shape} of {dtype}, and holds {entry.file_size:,} bytes. {MEND}"
                )
            allowance.take(name, shape, dtype)
            with archive.open(entry) as stream:
                found[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return found


def _declared(stream: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of NumPy's format")
    shape, _, dtype = read(stream, max_header_size=HEADER)
    return shape, dtype
