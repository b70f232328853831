"""`pilothouse examine`, as typed: what it prints and writes, and what it refuses."""

import json
from pathlib import Path

import pytest

from pilothouse.cli.main import main
from pilothouse.report import examination

FEW = ("--episodes", "4", "--quick")


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["examine", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with a module of the user's own, and examinations of the first part alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examination, "PARTS", {"returns": examination.PARTS["returns"]})
    lines = [
        "def push(obs):",
        "    return [0.5]",
        "def upright(obs, action, next_obs):",
        "    return next_obs[:, 0] > 0.9",
    ]
    (tmp_path / "own_rules.py").write_text("\n".join(lines))
    return tmp_path


def test_a_function_is_examined_and_examined_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("own_rules:push", "--world", "pendulum", *FEW, "--constraint", "upright=own_rules:upright", "--out", "out")
    code, out, err = typed(capsys, *words, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["policy"] == "own_rules:push" and document["env"] == "pendulum" and document["episodes"] == 4
    assert document["return"]["interval"][0] <= document["return"]["mean"] <= document["return"]["interval"][1]
    assert document["violations"][-1]["name"] == "upright" and "report.html" in err
    assert Path(document["report"]).is_file() and document["explanations"] == []
    code, out, err = typed(capsys, *words)
    assert code == 2 and "not empty" in err
    assert typed(capsys, *words, "--resume")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("own_rules:push",), "Where?"),
        (("own_rules:push", "--world", "pendulum", "--env", "Pendulum-v1"), "not both"),
        (("own_rules:pull", "--world", "pendulum"), "no 'pull'"),
        (("missing.zip", "--world", "pendulum"), "No such policy"),
        (("own_rules:push", "--world", "pendulum", "--constraint", "upright"), "expected NAME=MODULE:FUNCTION"),
        (("own_rules:push", "--world", "pendulum", "--constraint", "a=own_rules:none"), "no 'none'"),
        (("own_rules:push", "--world", "pendulum", "--episodes", "1"), "expected at least 4"),
    ],
)
def test_refused_in_one_line_and_nothing_written(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    code, out, err = typed(capsys, *words, "--out", "out", "--json")
    assert code == 2 and out == "" and said in err.splitlines()[-1] and err.splitlines()[-1].startswith("error: ")
    assert not (folder / "out").exists()
