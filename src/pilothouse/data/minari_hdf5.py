"""Episodes of a Minari dataset in HDF5."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Space
from pilothouse.data.checks import check_kind, check_shape
from pilothouse.data.episodes import Episode, leaf_shape
from pilothouse.data.files import MEND, Allowance
from pilothouse.data.images import decode_jpegs
from pilothouse.data.minari_format import Layout

FILE = "main_data.hdf5"


def read_episodes(layout: Layout) -> Iterator[Episode]:
    """The episodes in order, choices counted from 0. Shapes are compared with the spaces before anything is read."""
    import h5py

    path = layout.folder / FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file, though the metadata speak of HDF5. {MEND}")
    if not h5py.is_hdf5(path):
        raise DataError(f"{path}: is not an HDF5 file, or its beginning is damaged. {MEND}")
    try:
        file = h5py.File(path, "r")
    except OSError as fault:
        reason = "it is cut off" if "truncated" in str(fault) else "it is damaged"
        raise DataError(f"{path}: cannot be opened as HDF5, {reason}. {MEND}") from fault
    with file:
        found = sum(str(name).startswith("episode_") for name in file)
        if found != layout.total:
            what = "is no Minari data" if not found and layout.total else f"holds {found} episodes"
            raise DataError(f"{path}: {what}; the metadata speak of {layout.total} episodes. {MEND}")
        allowance = Allowance(path, [path])
        for index in range(layout.total):
            group = _group(path, file.id, f"episode_{index}")
            yield _Reader(path, index, layout, allowance).episode(group)


@dataclass(frozen=True)
class _Array:
    """An array of the file that is not read yet, by h5py's low-level name: opening by the others takes ten times as long."""

    id: Any
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


class _Reader:
    """Reads the arrays of one episode."""

    def __init__(self, path: Path, index: int, layout: Layout, allowance: Allowance):
        self.path, self.index, self.layout, self.allowance = path, index, layout, allowance
        self.where = str(path)

    def episode(self, group: Any) -> Episode:
        import h5py

        spec = self.layout.spec
        reward = self._plain(group, "rewards", "biuf")
        steps = reward.shape[0]
        terminated, truncated = (self._plain(group, name, "biu") for name in ("terminations", "truncations"))
        for name, array in (("rewards", reward), ("terminations", terminated), ("truncations", truncated)):
            check_shape(self.where, name, self.index, array.shape, (steps,))
        seed = h5py.Group(group).attrs["seed"] if h5py.h5a.exists(group, b"seed") else None
        return Episode(
            obs=self._read(group, "observations", spec.obs, self.layout.obs_start, steps + 1),
            action=self._read(group, "actions", spec.action, self.layout.action_start, steps),
            reward=self._numbers(reward),
            terminated=self._numbers(terminated),
            truncated=self._numbers(truncated),
            seed=int(seed) if isinstance(seed, int | np.integer) else None,
        )

    def _read(self, group: Any, name: str, space: Space, start: Any, rows: int) -> Any:
        import h5py

        if isinstance(space, DictSpace):
            inner = _group(self.path, group, name)
            extra = sorted({entry.decode(errors="replace") for entry in inner} - set(space.spaces))
            if extra:
                raise DataError(f"{self.path}: {_name(inner)} holds {extra}, which its space does not name. {MEND}")
            return {key: self._read(inner, key, leaf, start[key], rows) for key, leaf in space.items}
        array = _array(self.path, group, name)
        label = array.name.split("/", 2)[-1]
        if self._is_jpeg(space, array):
            check_shape(self.where, label, self.index, array.shape[:1], (rows,))
            self.allowance.take(label, (rows, *leaf_shape(space)), np.uint8)
            frames = h5py.Dataset(array.id)[()]
            return decode_jpegs(frames, leaf_shape(space), f"{self.path}: {label!r} of episode {self.index}")
        check_shape(self.where, label, self.index, array.shape, (rows, *leaf_shape(space)))
        check_kind(self.where, label, self.index, array.dtype)
        values = self._numbers(array)
        return values - start if np.any(start) else values

    def _plain(self, group: Any, name: str, kinds: str) -> _Array:
        array = _array(self.path, group, name)
        check_kind(self.where, name, self.index, array.dtype, kinds)
        if len(array.shape) != 1:
            check_shape(self.where, name, self.index, array.shape, (array.shape or (0,))[:1])
        return array

    def _numbers(self, array: _Array) -> np.ndarray:
        import h5py

        self.allowance.take(array.name, array.shape, array.dtype)
        values = np.empty(array.shape, array.dtype)
        if values.size:
            array.id.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def _is_jpeg(self, space: Space, array: _Array) -> bool:
        """Minari stores images as JPEG unless told not to; such an array has one row of bytes an image."""
        return (
            self.layout.jpeg
            and isinstance(space, Box)
            and space.dtype == "uint8"
            and len(array.shape) <= 2 < space_rank(space)
        )


def space_rank(space: Space) -> int:
    """Axes of an array of such observations, the time axis included."""
    return len(leaf_shape(space)) + 1


def _name(member: Any) -> str:
    from h5py import h5i  # pyright: ignore (compiled, without stubs)

    return h5i.get_name(member).decode(errors="replace")


def _member(path: Path, group: Any, name: str) -> Any:
    """What a group holds under this name, which must lie in this very file."""
    from h5py import h5l, h5o  # pyright: ignore (compiled, without stubs)

    key = name.encode()
    if not group.links.exists(key):
        raise DataError(f"{path}: {_name(group).rstrip('/')}/{name} is missing. {MEND}")
    if group.links.get_info(key).type != h5l.TYPE_HARD:
        raise DataError(f"{path}: {_name(group).rstrip('/')}/{name} points elsewhere, which is not read. {MEND}")
    return h5o.open(group, key)


def _group(path: Path, group: Any, name: str) -> Any:
    import h5py

    member = _member(path, group, name)
    if not isinstance(member, h5py.h5g.GroupID):
        raise DataError(f"{path}: {_name(member)} is not a group of arrays, as its space asks for. {MEND}")
    return member


def _array(path: Path, group: Any, name: str) -> _Array:
    import h5py

    member = _member(path, group, name)
    if not isinstance(member, h5py.h5d.DatasetID):
        raise DataError(f"{path}: {_name(member)} is not an array, as its space asks for. {MEND}")
    plan = member.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise DataError(f"{path}: {_name(member)} keeps its numbers in another file, which is not read. {MEND}")
    return _Array(member, _name(member), member.shape or (), member.dtype)
