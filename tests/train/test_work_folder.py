"""A folder of finished pieces: what may be gone on with, what may not, and what is left behind."""

from pathlib import Path

import pytest

from pilothouse.core.errors import OutputError, SettingError
from pilothouse.train.work_folder import kept, work_folder

CONFIG = {"of": "walker", "plan": {"seeds": 2, "quick": False}}


def begun(folder: Path) -> Path:
    with work_folder(folder, "study", CONFIG, resume=False, overwrite=False):
        kept(folder / "a" / "first.json", lambda: {"value": 1})
    return folder


def test_finished_pieces_are_read_and_not_made_again(tmp_path: Path):
    folder = begun(tmp_path / "work")
    with work_folder(folder, "study", CONFIG, resume=True, overwrite=False):
        assert kept(folder / "a" / "first.json", lambda: {"value": 2}) == {"value": 1}
    with work_folder(folder, "study", CONFIG, resume=False, overwrite=True):
        assert kept(folder / "a" / "first.json", lambda: {"value": (2,)}) == {"value": [2]}, "as read from the file"
    assert not (folder / ".lock").exists()


def test_a_piece_that_fails_leaves_no_file(tmp_path: Path):
    def fails() -> dict[str, int]:
        raise ValueError("no")

    with pytest.raises(ValueError), work_folder(tmp_path / "work", "study", CONFIG, resume=False, overwrite=False):
        kept(tmp_path / "work" / "first.json", fails)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["config.json"]


@pytest.mark.parametrize(
    ("kind", "change", "resume", "fault", "words"),
    [
        ("study", {}, False, OutputError, "not empty"),
        ("other", {}, True, OutputError, "none of `pilothouse other`"),
        ("study", {"of": "hopper"}, True, SettingError, "begun with of walker, and now hopper"),
        ("study", {"plan": {"seeds": 3, "quick": False}}, True, SettingError, "seeds=2, and now seeds=3"),
    ],
)
def test_work_about_something_else_is_refused(
    tmp_path: Path, kind: str, change: dict, resume: bool, fault: type[Exception], words: str
):
    folder = begun(tmp_path / "work")
    with (
        pytest.raises(fault, match=words),
        work_folder(folder, kind, {**CONFIG, **change}, resume=resume, overwrite=False),
    ):
        pass


def test_a_folder_is_held_by_one_and_a_file_is_no_folder(tmp_path: Path):
    folder = begun(tmp_path / "work")
    with (
        work_folder(folder, "study", CONFIG, resume=True, overwrite=False),
        pytest.raises(OutputError, match="in use"),
        work_folder(folder, "study", CONFIG, resume=True, overwrite=False),
    ):
        pass
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="is a file"),
        work_folder(tmp_path / "file", "study", CONFIG, resume=True, overwrite=False),
    ):
        pass
