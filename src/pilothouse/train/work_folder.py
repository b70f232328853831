"""A folder in which long work keeps what it has finished, so that it can be killed anywhere and goes on from there.

config.json says what the work is about: work about anything else is refused in the same folder.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilothouse.core.errors import OutputError, SettingError
from pilothouse.train.run import lock, versions
from pilothouse.train.storage import read_json, write_json


@contextmanager
def work_folder(
    folder: Path, kind: str, config: Mapping[str, Any], *, resume: bool, overwrite: bool, command: str = ""
) -> Iterator[None]:
    """Holds the folder while the work goes on in it, with `config` in its config.json under the name of its kind.

    **Arguments:** `kind`: one word, such as `compare`; `config`: what the numbers depend on; its `plan`, a mapping, is
    compared entry by entry.

    Raises `OutputError` for a folder that another process holds, that holds something else, or that is not empty without
    `resume` or `overwrite`; `SettingError` where another config was begun there. A folder left empty is removed.
    """
    stored = _stored(folder, kind, resume=resume, overwrite=overwrite)
    if stored is not None:
        _check_same(stored, config, folder)
    held = lock(folder)
    try:
        if overwrite:
            for path in folder.iterdir():
                if path.name != ".lock":
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        write_json(folder / "config.json", {kind: 1, **config, "command": command, "versions": versions()})
        yield
    finally:
        held.close()
        (folder / ".lock").unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def kept(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What this file holds, or what the work gives, kept there whole or not at all; both as read from the file."""
    if not path.is_file():
        found = work()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, found)
    return read_json(path, "intermediate result")


def _stored(folder: Path, kind: str, *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """The config of the work to go on with; None for work from the start."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; --out is a folder.")
    used = folder.is_dir() and any(path.name != ".lock" for path in folder.iterdir())
    if used and not (resume or overwrite):
        raise OutputError(
            f"{folder} is not empty. Use --resume to go on, --overwrite to start again, or another --out."
        )
    if not used or overwrite:
        return None
    found = read_json(folder / "config.json", f"config of `{kind}`") if (folder / "config.json").is_file() else {}
    if not isinstance(found, dict) or kind not in found:
        raise OutputError(f"{folder} holds files, but none of `pilothouse {kind}`. Choose another --out.")
    return found


def _check_same(stored: Mapping[str, Any], config: Mapping[str, Any], folder: Path) -> None:
    """Raises unless all that numbers depend on is as it was."""
    for name, new in config.items():
        old = stored.get(name)
        if name == "plan" or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and list(old) != list(new):
            old, new = " ".join(old), " ".join(new)
        raise SettingError(f"{folder} was begun with {name} {old}, and now {new} was given. Choose another --out.")
    for name, value in config.get("plan", {}).items():
        if stored.get("plan", {}).get(name) != value:
            raise SettingError(
                f"{folder} was begun with {name}={stored.get('plan', {}).get(name)!r}, and now {name}={value!r} was "
                "given. Resume with the same, or choose another --out."
            )
