"""The flat form of a dataset on disk: written at the first opening, memory-mapped at every later one.

    <cache>/entries/<key>.json     which files it was read from (name, size, times, inode), and whose content that was
    <cache>/flat/<fingerprint>/    manifest.json and one `.npy` an array, named by the fingerprint of the dataset

The key is of the source's path and how it was read. An entry is believed while every file of the source has the size, the
times of modification and of change, and the inode that it had; the time of change is kept by the system and cannot be set
back. A source that was changed within two seconds before it was read is not entered: a further change could bear the same
time. Files of the cache itself are compared by size and time; a damaged entry is removed and made again.

The folder is `PILOTHOUSE_DATA_CACHE` ("off" for none), by default `pilothouse/datasets` in `XDG_CACHE_HOME` or `~/.cache`.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import DictSpace, Spec, from_json, to_json
from pilothouse.data.dataset import LABELS, Dataset, observations

VERSION = 1
SMALLEST = 4 * 2**20
"""Bytes of a source below which reading it again costs less than it would to keep it."""
LARGEST = 20 * 2**30
"""Bytes that the cache may hold; those used longest ago are removed first."""
SETTLED = 2.0
"""Seconds since the last change, after which a file's times tell one content from another."""
_TREES = ("obs", "next_obs", "action")
_ROWS = ("reward", "terminated", "truncated", "valid", "episode_id", "duration")
_INDEX = ("starts", "lengths")


def folder() -> Path | None:
    """Where the flat forms lie; None where they are turned off."""
    named = os.environ.get("PILOTHOUSE_DATA_CACHE")
    if named:
        return None if named.lower() in ("off", "0", "no") else Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilothouse" / "datasets"


def budget() -> int:
    """Bytes of flat form above which a dataset stays on disk, memory-mapped: `PILOTHOUSE_DATA_BUDGET` in MiB, or 2 GiB.

    **Raises:** `SettingError` when the variable is no whole number.
    """
    given = os.environ.get("PILOTHOUSE_DATA_BUDGET", "2048")
    if not given.isdecimal():
        raise SettingError(f"PILOTHOUSE_DATA_BUDGET is {given!r}; expected a whole number of MiB, such as 2048.")
    return int(given) * 2**20


def signature(files: Sequence[Path]) -> list[list[Any]]:
    """What tells, without reading them, whether files have changed."""
    found = []
    for file in files:
        stat = file.stat()
        found.append([str(file), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino])
    return found


def key_of(source: Path, how: Mapping[str, Any]) -> str:
    """The name of the entry of a source, read in this way."""
    described = json.dumps([VERSION, str(source.resolve()), how], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def recall(key: str, files: list[list[Any]]) -> Dataset | None:
    """The dataset as it was kept, its arrays memory-mapped; None where there is none, or the source has changed."""
    cache = folder()
    if cache is None:
        return None
    entry = cache / "entries" / f"{key}.json"
    try:
        known = json.loads(entry.read_text(encoding="utf-8"))
    except OSError:
        return None
    except (ValueError, RecursionError):
        return _damaged(entry, "is not readable")
    if not isinstance(known, dict) or not isinstance(known.get("fingerprint"), str):
        return _damaged(entry, "is not an entry")
    if known.get("files") != files:
        return None
    kept = cache / "flat" / known["fingerprint"]
    if not known["fingerprint"].isalnum() or not kept.is_dir():
        return None
    try:
        dataset = _open(kept, known["fingerprint"], known["about"])
        os.utime(kept)
    except Exception as fault:  # whatever is wrong with it: it is made again
        shutil.rmtree(kept, ignore_errors=True)
        return _damaged(entry, f"does not hold what it held ({type(fault).__name__})")
    return dataset


def keep(key: str, files: list[list[Any]], dataset: Dataset) -> Path | None:
    """Write the flat form of what was read from these files; where it lies, or None where it was not kept.

    A cache that cannot be written, or has no room, is no fault: reading works without it.
    """
    cache = folder()
    newest = max(max(times[2:4]) for times in files)
    if cache is None or time.time() - newest / 1e9 < SETTLED:
        return None
    size = size_of(dataset)
    try:
        for name in ("entries", "flat"):
            (cache / name).mkdir(parents=True, exist_ok=True)
        if size > LARGEST or shutil.disk_usage(cache).free < size + 2**28:
            return None
        kept = cache / "flat" / dataset.fingerprint
        if not kept.is_dir():
            _make_room(cache, size)
            _write(kept, dataset)
        about = {"name": dataset.name, "env_id": dataset.env_id, "description": dataset.description}
        entry = {"files": files, "fingerprint": dataset.fingerprint, "about": about}
        _write_whole(cache / "entries" / f"{key}.json", json.dumps(entry).encode())
    except OSError as fault:
        print(f"The cache of datasets is off: {cache} cannot be written ({fault.strerror}).", file=sys.stderr)
        return None
    return kept


def _damaged(entry: Path, what: str) -> None:
    print(f"The cached form of a dataset {what}; it is made again.", file=sys.stderr)
    entry.unlink(missing_ok=True)


def _leaves(dataset: Dataset) -> dict[str, np.ndarray]:
    """Every array by the name of its file."""
    found = {}
    for field, space in (("obs", dataset.spec.obs), ("next_obs", dataset.spec.obs), ("action", dataset.spec.action)):
        for number, (_, _, array) in enumerate(observations(space, getattr(dataset, field))):
            found[f"{field}-{number}"] = array
    masks = [mask for mask in LABELS.values() if getattr(dataset, mask) is not None]
    return found | {field: getattr(dataset, field) for field in (*_ROWS, *_INDEX, *masks)}


def size_of(dataset: Dataset) -> int:
    """Bytes of the flat form."""
    return sum(array.nbytes for array in _leaves(dataset).values())


def _write(kept: Path, dataset: Dataset) -> None:
    """The folder appears whole or not at all: it is written beside its place and renamed."""
    scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=kept.parent))
    try:
        arrays = {}
        for name, array in _leaves(dataset).items():
            file = scratch / f"{name}.npy"
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            stat = file.stat()
            arrays[name] = [stat.st_size, stat.st_mtime_ns]
        manifest = {
            "version": VERSION,
            "obs": to_json(dataset.spec.obs),
            "action": to_json(dataset.spec.action),
            "inferred": dataset.inferred,
            "seeds": None if dataset.seeds is None else list(dataset.seeds),
            "arrays": arrays,
        }
        _write_whole(scratch / "manifest.json", json.dumps(manifest).encode())
        try:
            scratch.rename(kept)
        except OSError:
            if not kept.is_dir():  # else another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    temporary.write_bytes(content)
    temporary.replace(path)


def _open(kept: Path, fingerprint: str, about: Mapping[str, Any]) -> Dataset:
    manifest = json.loads((kept / "manifest.json").read_text(encoding="utf-8"))
    if manifest["version"] != VERSION:
        raise ValueError("of another version")
    spec = Spec(from_json(manifest["obs"]), from_json(manifest["action"]))
    arrays = {}
    for name, (size, changed) in manifest["arrays"].items():
        file = kept / f"{name}.npy"
        stat = file.stat()
        if [stat.st_size, stat.st_mtime_ns] != [size, changed]:
            raise ValueError(f"{name} has changed")
        arrays[name] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    seeds = None if manifest["seeds"] is None else tuple(manifest["seeds"])
    inner = {field: _tree(spec.action if field == "action" else spec.obs, field, arrays) for field in _TREES}
    dataset = Dataset(
        **inner,
        **{field: arrays[field] for field in (*_ROWS, *_INDEX)},
        **{mask: arrays.get(mask) for mask in LABELS.values()},
        spec=spec,
        seeds=seeds,
        inferred=manifest["inferred"],
        **about,
    )
    rows = len(dataset.reward)
    if any(len(array) != rows for name, array in _leaves(dataset).items() if name not in _INDEX):
        raise SpaceError("arrays of different lengths")
    dataset.__dict__["fingerprint"] = fingerprint  # what `cached_property` would keep there
    return dataset


def _tree(space: Any, field: str, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(space, DictSpace):
        return {name: arrays[f"{field}-{number}"] for number, (name, _) in enumerate(space.items)}
    return arrays[f"{field}-0"]


def _make_room(cache: Path, size: int) -> None:
    """Remove what was used longest ago, until this much more fits."""
    kept = sorted((entry.stat().st_mtime, entry) for entry in (cache / "flat").iterdir() if entry.is_dir())
    sizes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for _, entry in kept}
    total = sum(sizes.values())
    for _, entry in kept:
        if total + size <= LARGEST:
            return
        shutil.rmtree(entry, ignore_errors=True)
        total -= sizes[entry]
