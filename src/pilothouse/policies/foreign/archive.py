"""Zip files from elsewhere, read with limits: nothing is unpacked to disk, and nothing that swells beyond reason is read."""

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from pilothouse.core.errors import MissingExtraError, PolicyError
from pilothouse.policies.host import brief

LARGEST = 2**30
"""Bytes of one member at most, unpacked."""
SWELLING = 200
"""How many times larger than packed a member may be: deflate reaches 1032, and weights hardly 2."""

SAFE_TORCH = (2, 6)
"""Before this version a crafted file ran code in spite of `weights_only`."""


def read_members(path: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Those members of a zip that are there. Raises `PolicyError` for a file that is damaged, or swells."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename: _member(path, archive, info) for info in archive.infolist() if info.filename in wanted
            }
    except PolicyError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as fault:
        raise PolicyError(
            f"{path} cannot be read as a zip file ({brief(fault)}). It may be cut off; copy it again."
        ) from fault


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > LARGEST or info.file_size > SWELLING * max(info.compress_size, 4096):
        raise PolicyError(
            f"{path}: {info.filename} unpacks from {info.compress_size} to {info.file_size} bytes; "
            "no policy does. The file is not read."
        )
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) > info.file_size:
        raise PolicyError(f"{path}: {info.filename} is larger than it says. The file is not read.")
    return content


def read_object(path: Path, name: str, content: bytes) -> dict[str, Any]:
    """A JSON object. Raises `PolicyError` for anything else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise PolicyError(f"{path}: {name} is not JSON ({brief(fault)}). Save the policy again.") from fault
    if not isinstance(found, dict):
        raise PolicyError(f"{path}: {name} is {type(found).__name__}; expected a JSON object.")
    return found


def read_tensors(path: Path, content: bytes | Path, *, name: str = "") -> Any:
    """What torch reads with `weights_only`: tensors in dicts and lists, and nothing that runs.

    Raises `PolicyError` for a file that holds more, is damaged or swells, and for a torch whose `weights_only` can be
    got round; `MissingExtraError` without torch.
    """
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise MissingExtraError(f"Reading {path}", "torch") from missing
    where = f"{path}: {name}" if name else str(path)
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < SAFE_TORCH:
        raise PolicyError(
            f"torch {torch.__version__} may run what a file of tensors holds (CVE-2025-32434). Install "
            f"{SAFE_TORCH[0]}.{SAFE_TORCH[1]} or newer to read {path}."
        )
    try:
        _check_inner(path, content)
        # Safe on a stranger's file: `weights_only` rebuilds tensors and plain containers, and refuses all else.
        return torch.load(io.BytesIO(content) if isinstance(content, bytes) else content, "cpu", weights_only=True)
    except PolicyError:
        raise
    except Exception as fault:
        if "weights_only" in str(fault) or "Unsupported" in str(fault):
            raise NotOnlyTensors(f"{where} holds pickled objects beside tensors ({brief(_cause(fault))}).") from fault
        raise PolicyError(f"{where} cannot be read by torch ({brief(fault)}). It may be cut off.") from fault


class NotOnlyTensors(PolicyError):
    """A torch file that holds objects which only unpickling would bring."""


def _cause(fault: Exception) -> str:
    """What torch says of the object, without its advice to load it all the same."""
    for line in str(fault).splitlines():
        if "GLOBAL" in line or "Unsupported" in line:
            return line.strip()
    return type(fault).__name__


def _check_inner(path: Path, content: bytes | Path) -> None:
    """torch's own file is a zip too."""
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.file_size > LARGEST or info.file_size > SWELLING * max(info.compress_size, 4096):
                raise PolicyError(
                    f"{path}: a tensor unpacks from {info.compress_size} to {info.file_size} bytes; not read."
                )
