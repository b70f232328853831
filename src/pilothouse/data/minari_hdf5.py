"""Episodes of a Minari dataset in HDF5."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Space
from pilothouse.data.checks import check_kind, check_shape
from pilothouse.data.episodes import Episode, leaf_shape
from pilothouse.data.images import decode_jpegs
from pilothouse.data.minari_format import MEND, Layout

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
        for index in range(layout.total):
            yield _Reader(path, index, layout).episode(_member(path, file, f"episode_{index}", h5py.Group))


class _Reader:
    """Reads the arrays of one episode."""

    def __init__(self, path: Path, index: int, layout: Layout):
        self.path, self.index, self.layout = path, index, layout
        self.where = str(path)

    def episode(self, group: Any) -> Episode:
        spec = self.layout.spec
        reward = self._plain(group, "rewards", "biuf")
        steps = reward.shape[0]
        terminated, truncated = (self._plain(group, name, "biu") for name in ("terminations", "truncations"))
        for name, array in (("rewards", reward), ("terminations", terminated), ("truncations", truncated)):
            check_shape(self.where, name, self.index, array.shape, (steps,))
        seed = group.attrs.get("seed")
        return Episode(
            obs=self._read(group, "observations", spec.obs, self.layout.obs_start, steps + 1),
            action=self._read(group, "actions", spec.action, self.layout.action_start, steps),
            reward=reward[()],
            terminated=terminated[()],
            truncated=truncated[()],
            seed=int(seed) if isinstance(seed, int | np.integer) else None,
        )

    def _read(self, group: Any, name: str, space: Space, start: Any, rows: int) -> Any:
        import h5py

        if isinstance(space, DictSpace):
            inner = _member(self.path, group, name, h5py.Group)
            extra = sorted(set(inner) - set(space.spaces))
            if extra:
                raise DataError(f"{self.path}: {inner.name} holds {extra}, which its space does not name. {MEND}")
            return {key: self._read(inner, key, leaf, start[key], rows) for key, leaf in space.items}
        array = _member(self.path, group, name, h5py.Dataset)
        label = array.name.split("/", 2)[-1]
        if self._is_jpeg(space, array):
            check_shape(self.where, label, self.index, array.shape[:1], (rows,))
            return decode_jpegs(array[()], leaf_shape(space), f"{self.path}: {label!r} of episode {self.index}")
        check_shape(self.where, label, self.index, array.shape, (rows, *leaf_shape(space)))
        check_kind(self.where, label, self.index, array.dtype)
        values = array[()]
        return values - start if np.any(start) else values

    def _plain(self, group: Any, name: str, kinds: str) -> Any:
        import h5py

        array = _member(self.path, group, name, h5py.Dataset)
        check_kind(self.where, name, self.index, array.dtype, kinds)
        if len(array.shape) != 1:
            check_shape(self.where, name, self.index, array.shape, (array.shape or (0,))[:1])
        return array

    def _is_jpeg(self, space: Space, array: Any) -> bool:
        """Minari stores images as JPEG unless told not to; such an array has one row of bytes an image."""
        return (
            self.layout.jpeg
            and isinstance(space, Box)
            and space.dtype == "uint8"
            and array.ndim <= 2 < space_rank(space)
        )


def space_rank(space: Space) -> int:
    """Axes of an array of such observations, the time axis included."""
    return len(leaf_shape(space)) + 1


def _member(path: Path, group: Any, name: str, kind: type) -> Any:
    """A group or array of a group, which must lie in this very file."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        raise DataError(f"{path}: {group.name.rstrip('/')}/{name} is missing. {MEND}")
    if not isinstance(link, h5py.HardLink):
        raise DataError(f"{path}: {group.name.rstrip('/')}/{name} points elsewhere, which is not read. {MEND}")
    member = group[name]
    if not isinstance(member, kind):
        wanted = "an array" if kind is h5py.Dataset else "a group of arrays"
        raise DataError(f"{path}: {member.name} is not {wanted}, as its space asks for. {MEND}")
    if isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
        raise DataError(f"{path}: {member.name} keeps its numbers in another file, which is not read. {MEND}")
    return member
