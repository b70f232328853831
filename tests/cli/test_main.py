"""The command line as a user types it: documents, one-line errors, exit codes. One process for all, to save start-up."""

import json
from pathlib import Path

import pytest

from pilothouse.cli.main import main

SMALL = ["--set", "length=8", "width=8", "minibatches=1", "epochs=1"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "pp0", "--world", "cartpole", "--steps", "10"], "Did you mean 'ppo'"),
        (["train", "ppo", "--world", "cartpol", "--steps", "10"], "Did you mean 'cartpole'"),
        (["train", "ppo", "--world", "cartpole", "--steps", "10", "--set", "clp=0.1"], "Did you mean 'clip'"),
        (["train", "ppo", "--world", "cartpole", "--steps", "10", "--set", "clip=-1"], "out of range"),
        (["train", "ppo", "--world", "cartpole", "--steps", "10", "--set", "epochs=1.5"], "wrong type"),
        (["train", "ppo", "--world", "cartpole", "--steps", "10", "--set", "clip"], "not of the form"),
        (["train", "ppo", "--world", "cartpole", "--steps", "0"], "steps=0"),
        (["train", "ppo", "--world", "cartpole", "--steps", "10", "--seeds", "0"], "seeds=0"),
        (["train", "ppo", "--steps", "10"], "No source"),
        (["train", "ppo", "--world", "cartpole"], "--steps"),
        (["train", "sac", "--world", "cartpole", "--steps", "10"], "Discrete actions"),
        (["train", "dqn", "--world", "pendulum", "--steps", "10"], "Box actions"),
        (["train", "iql", "--world", "pendulum", "--steps", "10"], "learns from a dataset"),
        (["train", "iql", "--data", "nowhere", "--steps", "10"], "nowhere"),
        (["train", "ppo", "--env", "CartPol-v1", "--steps", "10"], "CartPole-v1"),
        (["train", "ppo", "--world", "cartpole", "--step", "10"], "--steps"),
        (["train", "ppo", "--world", "cartpole", "--steps", "9", "--online-steps", "9"], "does not go on from data"),
        (["train", "rlpd", "--world", "pendulum", "--online-steps", "9"], "learns from a dataset and goes on"),
        (["evaluate", "nowhere", "--world", "cartpole"], "No such policy"),
        (["evaluate", "random", "--world", "cartpole", "--episodes", "0"], "episodes=0"),
        (["evaluate", "random"], "Give --env ID or --world NAME"),
        (["record", "random", "--world", "cartpole", "--steps", "0", "--out", "x-v0"], "steps=0"),
        (["show", "iqll"], "Did you mean 'iql'"),
        (["report", "nowhere"], "not a run folder"),
    ],
)
def test_input_at_fault_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], expected: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("error: ")
    assert expected in err
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_train_evaluate_record_inspect_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = [
        "train",
        "ppo",
        "--world",
        "cartpole",
        "--steps",
        "64",
        "--seeds",
        "2",
        "--out",
        "first",
        "--json",
        *SMALL,
    ]
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    document = json.loads(out)
    assert set(document) == {"run", "recipe", "seeds", "steps", "per_seed", "seconds"}
    assert document["seeds"] == [0, 1] and document["steps"] == 64
    assert (tmp_path / "first" / "report.html").stat().st_size > 1_000

    assert run(capsys, *arguments)[0] == 2  # not empty
    code, out, err = run(capsys, *arguments, "--resume")
    assert code == 0 and "already finished" in err
    assert json.loads(out)["per_seed"] == document["per_seed"]

    code, out, err = run(capsys, "evaluate", "first", "--world", "cartpole", "--episodes", "4", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert set(found) == {"policy", "env", "episodes", "returns", "iqm", "mean", "interval", "success"}
    assert len(found["returns"]) == 4 and found["interval"][0] <= found["mean"] <= found["interval"][1]

    code, out, err = run(capsys, "evaluate", "first", "--world", "pendulum")
    assert code == 2 and "The policy observes" in err

    code, out, err = run(
        capsys, "record", "first", "--world", "cartpole", "--steps", "50", "--out", "made-v0", "--json"
    )
    assert code == 0, err
    code, out, err = run(capsys, "data", "inspect", "made-v0", "--json")
    assert code == 0 and json.loads(out)["transitions"] == 50

    code, out, err = run(
        capsys, "train", "bc", "--data", "made-v0", "--world", "cartpole", "--steps", "4", "--out", "cloned", "--json",
        "--set", "width=8",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["per_seed"][0]["return"] > 0


def test_papers_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "papers", "--json")
    rows = json.loads(out)
    assert code == 0 and len([row for row in rows if row["id"] is not None]) == 431
    code, out, _ = run(capsys, "show", "ppo", "--json")
    shown = json.loads(out)
    assert code == 0 and {"settings", "parts", "claim", "record"} <= set(shown)
