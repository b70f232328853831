"""What every reader of files holds to: nothing outside the dataset's own folder, nothing that unfolds beyond measure."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, PilothouseError

MEND = "Record or download it again."
RATIO = 200
"""How many bytes a byte on disk may unfold to, in files that declare more than `SMALL` in all."""
SMALL = 2**28


def one_line(fault: BaseException) -> str:
    """What an exception says, on one line of at most 160 characters."""
    text = " ".join(str(fault).split()) or type(fault).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."


@contextlib.contextmanager
def refusing(path: Path, form: str) -> Iterator[None]:
    """Whatever goes wrong inside is a `DataError` of one line that names the file.

    h5py, pyarrow, zipfile and NumPy answer a damaged file with nearly every kind of exception, `MemoryError` among them.
    """
    try:
        yield
    except PilothouseError:
        raise
    except Exception as fault:
        raise DataError(f"{path}: cannot be read as {form} ({one_line(fault)}). {MEND}") from fault


def files_of(path: Path) -> list[Path]:
    """The files of a dataset, sorted: itself, or all below a folder, hidden ones left out.

    **Raises:** `DataError` for a link that leads out of the folder: what lies there is not part of the dataset.
    """
    if path.is_file():
        return [path]
    root, found = path.resolve(), []
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in (*names, *files):
            entry = Path(folder) / name
            if entry.is_symlink() and not entry.resolve().is_relative_to(root):
                raise DataError(
                    f"{entry}: is a link to outside {path}, which is not read. Copy what it points to there."
                )
        found += [Path(folder) / name for name in files if not name.startswith(".")]
    return sorted(found)


class Allowance:
    """How much the arrays of a dataset may hold, by what its files hold: a small file may declare a huge array.

    Every reader asks with the declared shape before it reads. Beyond 256 MiB in all, arrays may hold 200 times the bytes
    of the files, and at most the memory of this machine.
    """

    def __init__(self, where: str | Path, files: Iterable[Path]):
        self.where = str(where)
        stored = sum(file.stat().st_size for file in files)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self.limit = min(max(SMALL, RATIO * stored), memory)
        self.taken = 0

    def take(self, name: str, shape: Iterable[int], dtype: Any) -> None:
        """Count an array of this shape. Raises `DataError` when all of them together are more than is allowed."""
        size = math.prod(int(n) for n in shape) * np.dtype(dtype).itemsize
        self.taken += size
        if self.taken > self.limit:
            raise DataError(
                f"{self.where}: {name!r} declares {size:,} bytes, {self.taken:,} in all, where files of this size are "
                f"taken to hold at most {self.limit:,}. {MEND}"
            )
