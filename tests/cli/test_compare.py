"""`pilothouse compare` as a user types it: its document, its faults, and killed by the system at a random moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.compare import seconds_of
from pilothouse.cli.main import main
from pilothouse.core.errors import SettingError
from pilothouse.data.minari_write import write_minari
from pilothouse.evaluate.scripted_data import mixed_pendulum

SHORT = ["--steps", "30", "--seeds", "2", "--episodes", "2", "--fqe-updates", "20"]
SMALL = ["--set", "width=8", "batch=8", "depth=1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("data") / "made-v0"
    write_minari(place, mixed_pendulum(random=1_200, poor=0, good=0))
    return str(place)


@pytest.fixture(scope="module")
def whole(data: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The document of a comparison that nothing disturbed, and its folder."""
    out = tmp_path_factory.mktemp("runs") / "out"
    given = ["bc", "td3bc", "--data", data, "--world", "pendulum", *SHORT, *SMALL, "--out", str(out)]
    process = subprocess.run([sys.executable, "-m", "pilothouse", "compare", *given, "--json"], capture_output=True)
    assert process.returncode == 0, process.stderr.decode()
    return json.loads(process.stdout), out


def untimed(document: Any) -> Any:
    if isinstance(document, dict):
        return {k: untimed(v) for k, v in document.items() if k not in ("seconds", "run", "report")}
    return [untimed(v) for v in document] if isinstance(document, list) else document


def test_the_document_and_the_page(whole: tuple[dict[str, Any], Path]) -> None:
    document, out = whole
    assert {"methods", "recommendation"} <= set(document)
    keys = {"recipe", "per_seed", "return", "fqe", "seconds", "diverged"}
    assert all(keys <= set(row) for row in document["methods"])
    assert {"recipe", "tie", "sentence", "confidence"} <= set(document["recommendation"])
    page = (out / "report.html").read_text()
    assert Path(document["report"]) == out / "report.html" and document["recommendation"]["sentence"][:20] in page


def test_killed_at_a_random_moment_and_resumed(whole: tuple[dict[str, Any], Path], data: str, tmp_path: Path) -> None:
    given = ["bc", "td3bc", "--data", data, "--world", "pendulum", *SHORT, *SMALL, "--out", str(tmp_path / "out")]
    line = [sys.executable, "-m", "pilothouse", "compare", *given, "--json"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    draw, until = random.Random(str(len(given))), time.monotonic() + 300
    while not list((tmp_path / "out").glob("methods/bc/learned.json")) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(draw.uniform(0.0, 1.0))
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = subprocess.run([*line, "--resume"], capture_output=True)
    assert again.returncode == 0, again.stderr.decode()
    assert untimed(json.loads(again.stdout)) == untimed(whole[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bc"], "No --data"),
        (["bc", "--data", "nowhere"], "nowhere"),
        (["bcc", "--data", "DATA"], "Did you mean 'bc'"),
        (["--data", "DATA"], "No methods"),
        (["bc", "bc", "--data", "DATA"], "named twice"),
        (["bc", "dqn", "--data", "DATA"], "'dqn' learns from an environment"),
        (["bc", "--data", "DATA", "--set", "alpha=1"], "none of bc has this setting"),
        (["bc", "td3bc", "--data", "DATA", "--set", "td3bc.lr=-1"], "out of range"),
        (["bc", "--data", "DATA", "--grid", "lr=1,2"], "give --tune"),
        (["bc", "--data", "DATA", "--tune", "--grid", "alpha=1"], "none of the compared methods"),
        (["bc", "--data", "DATA", "--tune", "--grid", "lr=fast"], "not a list of numbers"),
        (["bc", "--data", "DATA", "--tune", "--grid", "width=8"], "of type int"),
        (["bc", "--data", "DATA", "--budget", "soon"], "not a time"),
        (["bc", "--data", "DATA", "--world", "cartpole"], "does not fit the dataset"),
        (["bc", "--data", "DATA", "--steps", "0"], "steps=0"),
    ],
)
def test_input_at_fault_is_one_line_and_exit_2(
    data: str,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(["compare", *(data if part == "DATA" else part for part in arguments)])
    said = capsys.readouterr()
    assert code == 2 and said.out == "" and said.err.count("\n") == 1 and said.err.startswith("error: ")
    assert words in said.err
    assert os.listdir(tmp_path) == []


def test_budgets_are_times() -> None:
    assert [seconds_of(text) for text in (None, "90", "90s", "1.5m", "2h")] == [None, 90, 90, 90, 7200]
    for text in ("", "m", "-3m", "inf", "nan"):
        with pytest.raises(SettingError, match="not a time"):
            seconds_of(text)
