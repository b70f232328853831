"""Checkpoints: everything from which a run goes on as if it had never stopped.

checkpoints/<step, 12 digits>/state.safetensors   parts (without replay rows), optimisers, simulators, pending answers
                              manifest.json       version, config, clock, counts of replay rows, checksums
replay/<part>-<lane>.rows                         append-only; the manifest says how many rows count
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.interpreter import State
from pilothouse.core import trees
from pilothouse.core.batch import Batch
from pilothouse.core.errors import CheckpointError
from pilothouse.data.stores import Ring
from pilothouse.train.machine import Machine
from pilothouse.train.simulators import Simulators
from pilothouse.train.storage import StagedFolder, arrays_from_bytes, arrays_to_bytes, explain, read_checked, read_json

FORMAT = 1


class ReplayFiles:
    """The rows of the rings, appended as they come; each row is its fields' bytes in the order of their names."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._hashes: dict[str, tuple[Any, int]] = {}
        self._skipped: dict[str, int] = {}  # rows that came and were overwritten between two checkpoints

    def path(self, part: str, lane: int) -> Path:
        return self.folder / f"{part.replace('/', '.')}-{lane}.rows"

    def append(self, part: str, lane: int, ring: Ring) -> dict[str, Any]:
        """Append what was added since the last time; returns the total count and a digest of the file so far."""
        name, total = f"{part}-{lane}", int(ring.added)
        digest, written = self._hashes.get(name, (hashlib.sha256(), 0))
        new, capacity = min(total - written, ring.capacity), ring.capacity
        places = np.arange(total - new, total) % capacity
        data = _row_bytes(ring.rows, places)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.path(part, lane), "ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise explain(fault, self.path(part, lane)) from fault
        digest.update(data)
        skipped = self._skipped.get(name, 0) + (total - written - new)
        self._skipped[name] = skipped
        self._hashes[name] = (digest, total)
        return {"total": total, "stored": total - skipped, "sha256": digest.hexdigest()}

    def load(self, part: str, lane: int, entry: Mapping[str, Any], ring: Ring) -> Ring:
        """The ring as it was; cuts the file back to what the manifest counts."""
        path, width = self.path(part, lane), _row_width(ring.rows)
        length = entry["stored"] * width
        try:
            with open(path, "r+b") as file:
                data = file.read(length)
                file.truncate(length)
        except OSError as fault:
            raise CheckpointError(
                f"The replay file {path} cannot be read ({fault.strerror}). Use another checkpoint."
            ) from fault
        digest = hashlib.sha256(data)
        if len(data) != length or digest.hexdigest() != entry["sha256"]:
            raise CheckpointError(f"The replay file {path} is damaged or cut short. Use another checkpoint.")
        name = f"{part}-{lane}"
        self._hashes[name] = (digest, entry["total"])
        self._skipped[name] = entry["total"] - entry["stored"]
        return _ring_from(data, ring, entry["total"])


def _row_width(rows: Batch) -> int:
    return sum(x.dtype.itemsize * int(np.prod(x.shape[1:])) for x in jax.tree.leaves(rows))


def _row_bytes(rows: Batch, places: np.ndarray) -> bytes:
    if not len(places):
        return b""
    columns = [np.asarray(x)[places] for x in jax.tree.leaves(rows)]
    flat = [np.ascontiguousarray(c).reshape(len(places), -1).view(np.uint8).reshape(len(places), -1) for c in columns]
    return np.concatenate(flat, axis=1).tobytes()


def _ring_from(data: bytes, ring: Ring, total: int) -> Ring:
    width = _row_width(ring.rows)
    table = np.frombuffer(data, np.uint8).reshape(-1, width)
    kept = min(len(table), ring.capacity)
    table, places = table[len(table) - kept :], np.arange(total - kept, total) % ring.capacity
    leaves, start = [], 0
    for old in jax.tree.leaves(ring.rows):
        span = old.dtype.itemsize * int(np.prod(old.shape[1:]))
        column = np.ascontiguousarray(table[:, start : start + span]).view(old.dtype).reshape(kept, *old.shape[1:])
        filled = np.zeros(old.shape, old.dtype)
        filled[places] = column
        leaves.append(filled)
        start += span
    return Ring(jax.tree.unflatten(jax.tree.structure(ring.rows), leaves), jnp.asarray(total, jnp.int32))


def _split_rings(parts: Mapping[str, Any]) -> tuple[dict[str, Ring], dict[str, Any]]:
    rings = {name: part for name, part in parts.items() if isinstance(part, Ring)}
    return rings, {name: part for name, part in parts.items() if name not in rings}


def _lane(tree: Any, lane: int) -> Any:
    return jax.tree.map(lambda x: np.asarray(x[lane]), tree)


def save_checkpoint(folder: Path, step: int, machine: Machine, replay: ReplayFiles, more: Mapping[str, Any]) -> Path:
    """Write a checkpoint of a machine that stands at a border. A half-written one never has its name."""
    rings, rest = _split_rings(machine.state.parts)
    simulators = {name: world.snapshot() for name, world in machine.worlds.items() if isinstance(world, Simulators)}
    tree = {"parts": rest, "opt": machine.state.opt, "pending": machine.pending, "simulators": simulators}
    counts = {
        name: [replay.append(name, lane, _lane(ring, lane)) for lane in range(len(machine.lanes))]
        for name, ring in rings.items()
    }
    target = folder / f"{step:012d}"
    staged = StagedFolder(target)
    try:
        staged.add(
            "state.safetensors", arrays_to_bytes({k: np.asarray(v) for k, v in trees.named_leaves(tree).items()})
        )
        staged.finish(
            {
                "format": FORMAT,
                "step": step,
                "cycle": machine.done,
                "seeds": list(machine.lanes.seeds),
                "pending": machine.pending is not None,
                "replay": counts,
                **more,
            }
        )
    except BaseException:
        staged.abandon()
        raise
    return target


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint in a `checkpoints` folder; half-written ones have other names."""
    found = (
        sorted(path for path in folder.glob("[0-9]" * 12) if (path / "manifest.json").is_file())
        if folder.is_dir()
        else []
    )
    return found[-1] if found else None


def read_manifest(path: Path) -> dict[str, Any]:
    """A checkpoint's manifest. Raises `CheckpointError` for anything else, and for a newer format."""
    manifest = read_json(path / "manifest.json", "checkpoint manifest")
    if not isinstance(manifest, dict) or "format" not in manifest or "checksums" not in manifest:
        raise CheckpointError(
            f"{path} is not a checkpoint of pilothouse. Give a run folder, or one of its checkpoints."
        )
    if not isinstance(manifest["format"], int) or manifest["format"] > FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {manifest['format']}, and this version reads up to {FORMAT}. Upgrade pilothouse."
        )
    return manifest


def load_checkpoint(path: Path, machine: Machine, replay: ReplayFiles) -> dict[str, Any]:
    """Bring a fresh machine to where the checkpoint's stood; returns the manifest. Raises `CheckpointError`.

    The machine is first taken to the same border with values of no meaning, which makes every structure (scratch
    parts, the pending answer) as it was; then all values are replaced.
    """
    manifest = read_manifest(path)
    arrays = arrays_from_bytes(read_checked(path, "state.safetensors", manifest), path / "state.safetensors")
    machine.stand_at(int(manifest["cycle"]))
    if manifest["pending"]:
        machine.prime()
    rings, rest = _split_rings(machine.state.parts)
    tree = {"parts": rest, "opt": machine.state.opt, "pending": machine.pending}
    values = [_take(arrays, name, old, path) for name, old in trees.named_leaves(tree).items()]
    filled = jax.tree.unflatten(jax.tree.structure(tree), values)
    parts = dict(filled["parts"])
    for name, ring in rings.items():
        entries = manifest["replay"].get(name)
        if entries is None or len(entries) != len(machine.lanes):
            raise CheckpointError(f"{path} counts no replay rows for part {name!r}; it belongs to another run.")
        loaded = [replay.load(name, lane, entry, _lane(ring, lane)) for lane, entry in enumerate(entries)]
        parts[name] = jax.tree.map(lambda *x: jnp.stack(x), *loaded)
    names = tuple(machine.state.parts)
    machine.adopt_state(State({name: parts[name] for name in names}, filled["opt"]), filled["pending"])
    manifest["replayed"] = True
    for name, world in machine.worlds.items():
        if isinstance(world, Simulators):
            manifest["replayed"] &= world.restore(_nested(arrays, f"simulators/{name}/"))
    return manifest


def _take(arrays: Mapping[str, np.ndarray], name: str, old: Any, path: Path) -> Any:
    new = arrays.get(name)
    if new is None or tuple(new.shape) != tuple(old.shape) or new.dtype != old.dtype:
        found = "nothing" if new is None else f"{new.dtype}{list(new.shape)}"
        raise CheckpointError(
            f"{path} holds {found} for {name}, where this run has {old.dtype}{list(old.shape)}: it belongs to another run."
        )
    return jnp.asarray(new)


def _nested(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, array in arrays.items():
        if name.startswith(prefix):
            *folders, leaf = name.removeprefix(prefix).split("/")
            inner = nested
            for folder in folders:
                inner = inner.setdefault(folder, {})
            inner[leaf] = array
    return nested
