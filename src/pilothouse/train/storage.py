"""Files that are written whole or not at all, and read with suspicion. Nothing here is ever unpickled."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pilothouse.core.errors import CheckpointError, OutputError

FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


def explain(fault: OSError, path: Path) -> OutputError:
    """The error a user should see for a write that failed."""
    if fault.errno in FULL:
        return OutputError(
            f"Cannot write {path}: the disk (or the file size limit) is full. Free space, then --resume."
        )
    return OutputError(
        f"Cannot write {path}: {fault.strerror or fault}. Choose a folder that can be written with --out."
    )


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole: to a temporary name beside it, then renamed. Raises `OutputError`."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        raise explain(fault, path) from fault


def write_json(path: Path, data: Any) -> None:
    """Write JSON whole. NaN and infinity are refused: no reader agrees on them."""
    write_bytes(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path, what: str) -> Any:
    """Read JSON. Raises `CheckpointError` naming the file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"No {what} at {path}. Check the path.") from None
    except (OSError, ValueError) as fault:
        raise CheckpointError(f"The {what} {path} is damaged ({fault}). Use another checkpoint.") from fault


def arrays_to_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as a safetensors file; the bytes depend on names and values only."""
    # `ascontiguousarray` alone would give a scalar an axis.
    return save({name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in sorted(arrays.items())})


def arrays_from_bytes(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """Inverse of `arrays_to_bytes`. Raises `CheckpointError` naming the file."""
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as fault:
        raise CheckpointError(f"{path} is not a whole safetensors file ({fault}). Use another checkpoint.") from fault


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class StagedFolder:
    """A folder that appears under its name only when everything in it is written and synced."""

    def __init__(self, path: Path):
        self.path = path
        self.sums: dict[str, str] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        except OSError as fault:
            raise explain(fault, path) from fault

    def add(self, name: str, data: bytes) -> None:
        write_bytes(self._staging / name, data)
        self.sums[name] = checksum(data)

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest (with checksums) last, and put the folder in its place."""
        try:
            write_json(self._staging / "manifest.json", {**manifest, "checksums": self.sums})
            old = self.path.with_name(f".{self.path.name}.old")
            if self.path.exists():
                os.replace(self.path, old)
            os.replace(self._staging, self.path)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as fault:
            raise explain(fault, self.path) from fault

    def abandon(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)


def read_checked(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """A file of a folder, if its checksum is that of the manifest. Raises `CheckpointError`."""
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise CheckpointError(f"{path} cannot be read ({fault.strerror}). Use another checkpoint.") from fault
    if checksum(data) != manifest.get("checksums", {}).get(name):
        raise CheckpointError(
            f"{path} is damaged: its checksum is not the one in the manifest. Use another checkpoint."
        )
    return data
