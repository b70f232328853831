"""Language models on the command line: sampled, evaluated on tasks, examined; refused in one line."""

import json
from pathlib import Path

import pytest

from pilothouse.cli.main import main

QWEN = str(Path(__file__).parents[1] / "policies" / "foreign" / "language" / "qwen3")


@pytest.fixture(autouse=True)
def _with_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": "one plus two is", "answer": "3"}, {"question": "the number is", "answer": "#### 7"}]
    Path("tasks.jsonl").write_text("\n".join(map(json.dumps, rows)))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_model_writes_behind_a_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("sample", QWEN, "--prompt", "one plus two is", "--longest", "5")
    code, out, err = run(capsys, *asked, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["samples"][0]["tokens"] == 5 and not found["samples"][0]["ended"]
    assert found == json.loads(run(capsys, *asked, "--json")[1])
    code, out, err = run(capsys, *asked, "--samples", "3", "--seed", "2", "--chat")
    assert code == 0 and out.count("---") == 2, err


def test_a_model_is_evaluated_on_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("evaluate", QWEN, "--task", "tasks.jsonl", "--verifier", "number", "--samples", "4", "--longest", "5")
    code, out, err = run(capsys, *asked, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert {"policy", "env", "episodes", "returns", "iqm", "mean", "interval", "success"} < set(found)
    assert found["episodes"] == 2 and set(found["pass_at"]) == {"1", "2", "4"}


def test_a_model_is_examined_and_its_page_written(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("examine", QWEN, "--task", "tasks.jsonl", "--verifier", "number", "--quick", "--longest", "3")
    code, out, err = run(capsys, *asked, "--out", "examined")
    assert code == 0 and "answers" in out, err
    page = Path("examined/report.html").read_text()
    assert "What drives it" in page and "typing mistakes" in page
    assert run(capsys, *asked, "--out", "examined")[0] == 2
    assert run(capsys, *asked, "--out", "examined", "--resume")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", QWEN, "--env", "CartPole-v1"), "acts in no environment"),
        (("evaluate", QWEN, "--task", "tasks.jsonl"), "go together"),
        (("evaluate", QWEN, "--task", "tasks.jsonl", "--verifier", "exact", "--env", "A-v1"), "in place of"),
        (("evaluate", QWEN, "--task", "none.jsonl", "--verifier", "exact"), "cannot be read"),
        (("evaluate", QWEN, "--task", "tasks.jsonl", "--verifier", "exat"), "Did you mean 'exact'"),
        (("evaluate", "random", "--world", "cartpole", "--samples", "3"), "--samples goes with --task"),
        (("evaluate", "none", "--task", "tasks.jsonl", "--verifier", "exact"), "No such language model"),
        (("examine", QWEN, "--task", "tasks.jsonl", "--verifier", "exact", "--episodes", "9"), "--episodes is for"),
        (("sample", QWEN, "--prompt", ""), "no tokens"),
        (("sample", QWEN, "--prompt", "one", "--longest", "9999"), "256 places"),
        (("sample", QWEN, "--prompt", "one", "--temperature", "nan"), "temperature=nan"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 2 and not out, err
    assert err.splitlines()[-1].startswith("error: ") and message in err.splitlines()[-1]
