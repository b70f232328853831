"""Data from anywhere, as a user would type it: inspect, convert, and a source to train on."""

import json
from pathlib import Path

import numpy as np
import pytest

from pilothouse.cli.main import main
from pilothouse.data import read_dataset, read_minari
from pilothouse.train.resolve import resolve
from pilothouse.worlds.registry import world

COLUMNS = ("--columns", "obs=cos,sin,speed", "action=torque", "reward=r", "episode=trial")


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two trials of a pendulum of six rows each, with names of its owner's choice."""
    monkeypatch.chdir(tmp_path)
    angle, torque = np.linspace(0, 3, 12), np.linspace(-1.5, 1.5, 12)
    rows = [
        f"{np.cos(a)},{np.sin(a)},{a},{u},{-a},{i // 6}" for i, (a, u) in enumerate(zip(angle, torque, strict=True))
    ]
    path = tmp_path / "trials.csv"
    path.write_text("cos,sin,speed,torque,r,trial\n" + "\n".join(rows) + "\n")
    return path


def test_inspect_and_convert(trials: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", "trials.csv", "--json", *COLUMNS]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["transitions"] == 10 and seen["episodes"] == 2
    assert main(["data", "convert", "trials.csv", "--out", "trials-v0", "--json", *COLUMNS]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["transitions"] == 10 and document["fingerprint"] == seen["fingerprint"]
    for name in ("trials.npz", "trials.hdf5"):
        assert main(["data", "convert", "trials-v0", "--out", name]) == 0
        np.testing.assert_array_equal(read_dataset(name).obs, read_minari("trials-v0").obs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    (
        (["inspect", "trials.csv"], "no column is known as 'obs'"),
        (["inspect", "trials.csv", "--columns", "obs"], "not of the form"),
        (["convert", "trials.csv", "--out", "trials", *COLUMNS], "NAME-vN"),
        (["convert", "trials.csv", "--out", "trials.csv", *COLUMNS], "NAME-vN"),
        (["convert", "nowhere.npz", "--out", "made-v0"], "no such file or folder"),
    ),
)
def test_what_is_wrong_is_one_line(
    trials: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    before = sorted(trials.parent.iterdir())
    assert main(["data", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and said.out == ""
    assert sorted(trials.parent.iterdir()) == before


@pytest.mark.parametrize(("columns", "words"), (((), "no column is known as 'obs'"), (COLUMNS, "steps=0")))
def test_compare_reads_tables_as_the_columns_say(
    trials: Path, capsys: pytest.CaptureFixture[str], columns: tuple[str, ...], words: str
) -> None:
    """Asking for no updates at all is refused, but only once the table has been read."""
    assert main(["compare", "bc", "--data", "trials.csv", "--steps", "0", *columns]) == 2
    assert words in capsys.readouterr().err


def test_inferred_spaces_give_way_to_those_of_the_place_where_it_is_measured(trials: Path) -> None:
    columns = {"obs": ["cos", "sin", "speed"], "action": "torque", "episode": "trial"}
    alone = resolve(data=trials, columns=columns)
    assert alone.spec.action.low == (-1.5,)
    measured = resolve(data=trials, columns=columns, world="pendulum")
    assert measured.spec == world("pendulum").spec
