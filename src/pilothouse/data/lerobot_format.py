"""LeRobot datasets, format v3: a folder of Parquet tables, a row a frame, several episodes a file.

`meta/info.json` says what the columns are, `meta/episodes/` where each episode lies, `data/chunk-*/file-*.parquet` hold
the frames. Names of files are the standard ones: a pattern in `info.json` that differs is refused, not followed.
Source: https://github.com/huggingface/lerobot, `src/lerobot/datasets`, codebase version v3.0.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError, MissingExtraError, SettingError, nearest
from pilothouse.data.dataset import Dataset
from pilothouse.data.files import MEND, Allowance, files_of, one_line, refusing
from pilothouse.data.loose_rows import dataset_of_rows
from pilothouse.data.tables import Columns, column_values, joined, read_parquets

INFO = "meta/info.json"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_NUMBERS = {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool"}


@dataclass(frozen=True)
class _Info:
    episodes: int
    frames: int
    features: Mapping[str, Mapping[str, Any]]


def read_lerobot(folder: Path, columns: Columns | None = None, *, images: bool = False) -> Dataset:
    """The whole dataset in memory, checked.

    Observations are `observation.state` (or the one numeric `observation.*` column there is), actions `action`, rewards
    `next.reward` (0 without it). A column map names others. With `images`, observations are a Dict of `state` and each
    image column, by the last part of its name; images kept as video are not read.

    A row terminated where `next.terminated` says so; without that column, where both `next.done` and `next.success` do,
    since `next.done` alone also marks time limits. The last frame of an episode has no next observation, and is left out
    unless it terminated.

    **Raises:** `DataError`.
    """
    with refusing(folder, "LeRobot v3"):
        files_of(folder)  # no link leads out
        info = _read_info(folder)
        chosen = _choose(folder, info, columns or Columns())
        pictures = _image_columns(folder, info) if images else {}
        lengths = _episode_lengths(folder, info)
        flat = [*chosen.obs, *chosen.action, *filter(None, (chosen.reward, chosen.terminated)), *pictures.values()]
        marks = [name for name in ("next.done", "next.success") if name in info.features and chosen.terminated is None]
        own = ["episode_index", "frame_index", *dict.fromkeys([*flat, *marks])]
        files = sorted((folder / "data").glob("chunk-*/file-*.parquet"))
        table = read_parquets(folder, files, own)
        if len(table) != info.frames:
            raise DataError(f"{folder}: holds {len(table)} frames; {INFO} speaks of {info.frames}. {MEND}")
        last = _last_rows(folder, table, lengths)
        obs: Any = joined(folder, table, chosen.obs)
        if pictures:
            shapes = {key: tuple(info.features[name]["shape"]) for key, name in pictures.items()}
            allowance = Allowance(folder, files)
            for key, shape in shapes.items():
                allowance.take(key, (len(table), *shape), np.uint8)
            obs = {"state": obs} | {
                key: _decode(folder, name, table.column(name).to_pylist(), shapes[key])
                for key, name in pictures.items()
            }
        terminated = _terminated(folder, table, chosen, marks)
        action = joined(folder, table, chosen.action)
        reward = column_values(folder, table, chosen.reward) if chosen.reward else None
    return dataset_of_rows(str(folder), obs, action, reward, terminated, last, rule="steps", name=folder.name)


def _read_info(folder: Path) -> _Info:
    file = folder / INFO
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        version, pattern, features = info["codebase_version"], info["data_path"], info["features"]
        episodes, frames = info["total_episodes"], info["total_frames"]
        shapes = [feature["shape"] for feature in features.values()]
        kinds = [feature["dtype"] for feature in features.values()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise DataError(f"{file}: is not the description of a LeRobot dataset ({one_line(fault)}). {MEND}") from fault
    if not str(version).startswith("v3."):
        raise DataError(
            f"{file}: is of format {str(version)[:20]!r}, expected v3. Convert it with lerobot's own converter to v3.0."
        )
    if pattern != DATA:
        raise DataError(f"{file}: has the data path {str(pattern)[:80]!r}, expected {DATA!r}. {MEND}")
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in (episodes, frames))
    if not whole or not all(isinstance(kind, str) for kind in kinds):
        raise DataError(
            f"{file}: has {episodes!r} episodes of {frames!r} frames, expected whole numbers above 0. {MEND}"
        )
    if not all(isinstance(s, list) and all(isinstance(n, int) and 0 < n < 2**31 for n in s) for s in shapes):
        raise DataError(f"{file}: has features whose shapes are not whole numbers above 0. {MEND}")
    return _Info(episodes, frames, features)


def _choose(folder: Path, info: _Info, columns: Columns) -> Columns:
    """The columns to read: those of the map, else the standard ones."""
    numeric = [name for name, feature in info.features.items() if feature["dtype"] in _NUMBERS]
    seen = [name for name in numeric if name.startswith("observation.")]
    obs = columns.obs or (("observation.state",) if "observation.state" in seen else tuple(seen))
    if len(obs) != 1 and not columns.obs:
        raise DataError(
            f"{folder}: has no observation.state, and the numeric columns {seen or numeric}. Name those to read, such as "
            "--columns obs=NAME,NAME action=NAME."
        )
    for name in ("next_obs", "truncated", "first", "last", "episode", "rewarded", "acted"):
        if getattr(columns, name):
            raise SettingError(f"A column map of a LeRobot dataset has obs, action, reward, terminated; not {name!r}.")
    chosen = Columns(
        obs=obs,
        action=columns.action or ("action",),
        reward=columns.reward or ("next.reward" if "next.reward" in numeric else None),
        terminated=columns.terminated or ("next.terminated" if "next.terminated" in numeric else None),
    )
    for name in (*chosen.obs, *chosen.action, chosen.reward, chosen.terminated):
        if name is not None and name not in numeric:
            raise DataError(
                f"{folder}: has no column {name!r} of numbers.{nearest(name, numeric)} There are {numeric}. Name others "
                "with --columns."
            )
    return chosen


def _image_columns(folder: Path, info: _Info) -> dict[str, str]:
    images = {name.rsplit(".", 1)[-1]: name for name, feature in info.features.items() if feature["dtype"] == "image"}
    videos = [name for name, feature in info.features.items() if feature["dtype"] == "video"]
    if not images or videos:
        what = f"keeps {videos} as video, which is not read" if videos else "has no images"
        raise DataError(f"{folder}: {what}. Leave images out, or record with lerobot's use_videos=False.")
    if len(images) < sum(feature["dtype"] == "image" for feature in info.features.values()) or "state" in images:
        raise DataError(f"{folder}: has image columns whose names end alike: {sorted(images.values())}. Rename them.")
    return images


def _episode_lengths(folder: Path, info: _Info) -> np.ndarray:
    """The length of each episode, in order, from `meta/episodes`."""
    files = sorted((folder / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    table = read_parquets(folder / "meta" / "episodes", files, ["episode_index", "length"])
    index, length = (column_values(folder, table, name) for name in ("episode_index", "length"))
    if index.tolist() != list(range(info.episodes)) or length.dtype.kind not in "iu":
        raise DataError(f"{folder}: meta/episodes does not list episodes 0 to {info.episodes - 1} in order. {MEND}")
    if (length < 1).any():
        raise DataError(f"{folder}: episode {int(np.flatnonzero(length < 1)[0])} has no frames. Leave it out.")
    return length


def _last_rows(folder: Path, table: Any, lengths: np.ndarray) -> np.ndarray:
    """The last frame of each episode; the tables must hold the frames of each, all of them, in order."""
    total = int(lengths.sum(dtype=object))
    if total != len(table):
        raise DataError(f"{folder}: holds {len(table)} frames; meta/episodes speaks of {total}. {MEND}")
    ends = np.cumsum(lengths)
    episode, frame = (column_values(folder, table, name) for name in ("episode_index", "frame_index"))
    expected = np.repeat(np.arange(len(lengths)), lengths)
    wrong = (episode != expected) | (frame != np.arange(total) - np.repeat(ends - lengths, lengths))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{folder}: row {row} is not the next frame of episode {expected[row]}. {MEND}")
    last = np.zeros(total, bool)
    last[ends - 1] = True
    return last


def _terminated(folder: Path, table: Any, chosen: Columns, marks: list[str]) -> np.ndarray:
    from pilothouse.data.loose_rows import flags

    names = [chosen.terminated] if chosen.terminated else marks if len(marks) == 2 else []
    found = np.full(len(table), bool(names))
    for name in names:
        found &= flags(str(folder), name, column_values(folder, table, name))
    return found


def _decode(folder: Path, name: str, frames: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """PNG images, each as `[height, width, channels]`; the size is compared before any pixel is decoded."""
    try:
        from PIL import Image
    except ImportError as fault:
        raise MissingExtraError("Reading a dataset of images", "report") from fault
    if len(shape) != 3:
        raise DataError(f"{folder}: {name!r} has images of shape {shape}, expected (height, width, channels). {MEND}")
    pixels = np.empty((len(frames), *shape), np.uint8)
    for row, frame in enumerate(frames):
        data = frame.get("bytes") if isinstance(frame, dict) else None
        if not isinstance(data, bytes):
            raise DataError(
                f"{folder}: {name!r} has no image in row {row} (one in a file of its own is not read). {MEND}"
            )
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
            found = (image.height, image.width, len(image.getbands()))
            if found != shape:
                raise DataError(f"{folder}: {name!r} is an image of {found} in row {row}, expected {shape}. {MEND}")
            pixels[row] = np.asarray(image).reshape(shape)
    return pixels
