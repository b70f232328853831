"""The one door to recorded data: what a path or an id names is recognised by what it holds, read, checked and kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.core.errors import DataError, SettingError
from pilothouse.data import flat_cache
from pilothouse.data.d4rl_format import read_d4rl
from pilothouse.data.dataset import Dataset
from pilothouse.data.files import files_of
from pilothouse.data.lerobot_format import INFO, read_lerobot
from pilothouse.data.minari_format import METADATA, data_folder, read_minari
from pilothouse.data.ogbench_format import read_ogbench
from pilothouse.data.tables import ColumnMap, Columns
from pilothouse.data.tabular_format import read_tabular

KNOWN = (
    "a Minari folder (NAME-vN) or installed id, a LeRobot v3 folder, D4RL's HDF5, OGBench's .npz, a .parquet or .csv table "
    "or a folder of them"
)


@dataclass(frozen=True)
class Format:
    """A recognised dataset: where it lies, the files that it is made of, how it is read."""

    name: str
    path: Path
    files: list[Path]
    read: Callable[[], Dataset]
    takes: tuple[str, ...] = ()
    """Which options it has a use for: "columns", "images"."""


def read_dataset(
    source: str | Path, *, columns: ColumnMap | None = None, images: bool = False, cache: bool = True
) -> Dataset:
    """Recorded experience from any known format, checked, as flat arrays.

    **Arguments:**
    - `source`: a file, a folder, or the id of a dataset that Minari has installed. Nothing is downloaded or unpickled.
    - `columns`: of a table or a LeRobot folder, which column is what: `obs, action, reward, episode, terminated,
      truncated, next_obs, first, last`, each a name or several (`{"obs": ["angle", "speed"], "action": "torque"}`).
    - `images`: of a LeRobot folder, observe its images too.
    - `cache`: keep the flat form of a source of 4 MiB or more, and memory-map it from the second opening on; see
      `pilothouse.data.flat_cache`. What is kept is the same, bit for bit. Above `PILOTHOUSE_DATA_BUDGET` MiB (2048) the
      first opening gives memory-mapped arrays too.

    **Raises:** `DataError`, one line that names the file, the fault and what to do. `SettingError` for an option that
    the format has no use for.
    """
    form = recognise(source, columns=columns, images=images)
    for option, given in (("columns", columns), ("images", images)):
        if given and option not in form.takes:
            raise SettingError(f"{form.path}: is {form.name}, which has no use for {option!r}. Leave it out.")
    try:
        before = flat_cache.signature(form.files)
    except OSError as fault:
        raise DataError(f"{form.path}: cannot be read ({fault.strerror}). Give a readable dataset.") from fault
    large = sum(entry[1] for entry in before) >= flat_cache.SMALLEST
    if not (cache and large) or flat_cache.folder() is None:
        return form.read()
    how = {"columns": None if columns is None else {k: list(v) for k, v in vars(Columns.of(columns)).items() if v}}
    key = flat_cache.key_of(form.path, {"format": form.name, "images": images, **how})
    known = flat_cache.recall(key, before)
    if known is not None:
        return known
    dataset = form.read()
    if flat_cache.signature(form.files) == before:  # else it changed while it was read
        kept = flat_cache.keep(key, before, dataset)
        if kept is not None and flat_cache.size_of(dataset) > flat_cache.budget():
            return flat_cache.recall(key, before) or dataset
    return dataset


def recognise(source: str | Path, *, columns: ColumnMap | None = None, images: bool = False) -> Format:
    """What this path or id is, by its content. Raises `DataError` for what is not known, naming what is."""
    path = Path(source).expanduser()
    if not path.exists():
        folder = data_folder(source)  # an installed id, or the error that says that there is none
        return Format("Minari", folder, files_of(folder), lambda: read_minari(folder))
    if path.is_dir():
        return _folder(path, columns, images)
    if not path.is_file():
        raise DataError(f"{path}: is neither a file nor a folder. Known are: {KNOWN}.")
    return _file(path, columns)


def _folder(path: Path, columns: ColumnMap | None, images: bool) -> Format:
    for inner in (path / "data", path):
        if (inner / METADATA).is_file():
            return Format("Minari", inner, files_of(inner), lambda: read_minari(path))
    if (path / INFO).is_file():
        files = files_of(path)
        used = [file for file in files if file.suffix in (".parquet", ".json")]
        return Format(
            "LeRobot", path, used, lambda: read_lerobot(path, Columns.of(columns), images=images), ("columns", "images")
        )
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    kinds = {entry.suffix.lower() for entry in entries}
    if len(kinds) == 1 and kinds <= {".parquet", ".csv"} and all(entry.is_file() for entry in entries):
        files = files_of(path)
        return Format("a table", path, files, lambda: read_tabular(path, files, columns), ("columns",))
    if not entries:
        raise DataError(f"{path}: is an empty folder. Known are: {KNOWN}.")
    raise DataError(
        f"{path}: is a folder of no known dataset: it holds neither data/{METADATA} nor {INFO}, nor tables alone. Known "
        f"are: {KNOWN}."
    )


def _file(path: Path, columns: ColumnMap | None) -> Format:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read ({fault.strerror}). Give a readable dataset.") from fault
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return Format("D4RL", path, [path], lambda: read_d4rl(path))
    if head.startswith(b"PK\x03\x04"):
        return Format("OGBench", path, [path], lambda: read_ogbench(path))
    if head.startswith(b"PAR1") or _is_csv(path, head):
        return Format("a table", path, [path], lambda: read_tabular(path, [path], columns), ("columns",))
    raise DataError(f"{path}: is a file of no known dataset. Known are: {KNOWN}.")


def _is_csv(path: Path, head: bytes) -> bool:
    """Whether it is called so, and begins with a line of words between commas."""
    first = head.split(b"\n", 1)[0].strip()
    if path.suffix.lower() != ".csv" or b"\0" in head:
        return False
    try:
        return "," in first.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
