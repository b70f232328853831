"""`pilothouse data …` as a user types it."""

import json
from pathlib import Path

import pytest

from pilothouse.cli.main import main
from pilothouse.data.minari_write import write_minari
from pilothouse.evaluate.scripted_data import mixed_pendulum


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "swing-v0"
    about = {"ref_min_score": -1200.0, "ref_max_score": -150.0}
    return write_minari(path, mixed_pendulum(random=400, poor=200, good=0), metadata=about)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_inspect_in_the_terminal_and_as_a_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path
) -> None:
    code, out, _ = run(capsys, "data", "inspect", str(folder), "--out", str(tmp_path / "page"))
    assert code == 0 and "start with" in out and "what this suggests" in out and "█" in out
    page = (tmp_path / "page" / "report.html").read_text("utf-8")
    assert "What it is good for" in page and "swing-v0" in page
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["report.html"]


def test_inspect_as_a_document(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = run(capsys, "data", "inspect", str(folder), "--json", "--reference", str(folder))
    document = json.loads(out)
    assert code == 0 and document["transitions"] == 600 and document["report"] is None
    found = document["diagnosis"]
    assert found["returns"]["referenced"] and found["returns"]["lowest"] == -1200.0
    assert found["coverage"]["saco"] == 1.0
    assert found["suits"] and {"name", "level", "sentence"} == set(found["findings"][0])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["inspect", "nowhere"], "nowhere"),
        (["record-suite", "--size", "5"], "at least 100"),
        (["record-suite", "--sets", "hoper"], "Did you mean 'hopper'"),
        (["record-suit"], "Did you mean 'record-suite'"),
    ],
)
def test_input_at_fault(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "data", *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and expected in err
    assert list(tmp_path.iterdir()) == []
