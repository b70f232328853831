"""Policies of other libraries on the command line: evaluated, recorded and exported as ours are, refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from pilothouse.cli.main import main

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
FOREIGN = Path(__file__).parents[1] / "policies" / "foreign"
SAC = str(FOREIGN / "sb3_sac_pendulum.zip")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_model_is_evaluated_exported_and_evaluated_again_alike(capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--env", "Pendulum-v1", "--json")
    code, out, err = run(capsys, "evaluate", SAC, *where, "--episodes", "2")
    assert code == 0, err
    first = json.loads(out)
    assert set(first) == {"policy", "env", "episodes", "returns", "iqm", "mean", "interval", "success"}
    for to in ("onnx", "stablehlo"):
        code, out, err = run(capsys, "export", SAC, "--to", to, "--out", f"p.{to}", *where)
        assert code == 0, err
        assert json.loads(out)["worst"] <= 1e-5
        code, out, err = run(capsys, "evaluate", f"p.{to}", *where, "--episodes", "2")
        np.testing.assert_allclose(json.loads(out)["returns"], first["returns"], rtol=1e-2)
    assert run(capsys, "export", SAC, "--to", "onnx", "--out", "p.onnx", *where)[0] == 2


def test_a_policy_on_the_host_is_recorded_in_a_simulator_and_in_a_world(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "pushes_left.py").write_text("def push(obs): return [-3.0]\n")
    for place, name in ((("--env", "Pendulum-v1"), "one-v0"), (("--world", "pendulum"), "two-v0")):
        code, _, err = run(capsys, "record", "pushes_left:push", *place, "--steps", "250", "--out", name, "--json")
        assert code == 0 and "note: 250 of 250 actions of pushes_left:push" in err, err
        code, out, err = run(capsys, "data", "inspect", name, "--json")
        assert code == 0 and json.loads(out)["transitions"] == 250, err
    code, out, err = run(capsys, "evaluate", "pushes_left:push", "--world", "pendulum", "--episodes", "2", "--json")
    assert code == 0 and "note: 400 of 400 actions" in err and "400 of 400" in json.loads(out)["notes"][0]


def test_statistics_and_builders_are_named_by_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    normalised, pickle = str(FOREIGN / "sb3_ppo_normalised.zip"), str(FOREIGN / "sb3_vecnormalize.pkl")
    where = ("--world", "pendulum", "--episodes", "2", "--json")
    code, out, err = run(capsys, "evaluate", normalised, *where, "--normalize", pickle)
    assert (code, out) == (2, "") and "Give --trust" in err and err.count("\n") == 1
    code, with_them, err = run(capsys, "evaluate", normalised, *where, "--normalize", pickle, "--trust")
    assert code == 0, err
    without = run(capsys, "evaluate", normalised, *where)[1]
    assert json.loads(with_them)["returns"] != json.loads(without)["returns"]
    import torch

    (tmp_path / "builds_nets.py").write_text("import torch\ndef net(): return torch.nn.Linear(3, 1)\n")
    torch.save(torch.nn.Linear(3, 1).state_dict(), "net.pt")
    assert run(capsys, "evaluate", "net.pt", *where, "--builder", "builds_nets:net")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["evaluate", SAC, "--env", "CartPole-v1"], "was learned with observation space Box[3]"),
        (["evaluate", SAC], "Where? Give --env ID or --world NAME"),
        (["evaluate", "gone.zip", "--world", "pendulum"], "No such policy: gone.zip"),
        (["evaluate", "no_such_module_here:f", "--world", "pendulum"], "cannot be imported"),
        (["evaluate", "math:sin", "--world", "pendulum"], "math:sin raised TypeError while acting"),
        (["evaluate", "random", "--world", "pendulum", "--builder", "a:b"], "--builder goes with a torch state"),
        (["evaluate", str(FOREIGN / "d3rlpy_td3bc.pt"), "--world", "cartpole"], "raised RuntimeError while acting"),
        (["export", "random", "--to", "onnx", "--out", "p.onnx", "--world", "pendulum"], "draws at random"),
        (["export", SAC, "--to", "onyx", "--out", "p", "--world", "pendulum"], "Did you mean 'onnx'"),
        (["export", SAC, "--to", "safetensors", "--out", "p", "--world", "pendulum"], "came from elsewhere"),
        (["export", str(FOREIGN / "d3rlpy_td3bc.onnx"), "--to", "onnx", "--out", "p", "--world", "pendulum"], "cannot be traced"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], expected: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == ""
    assert expected in err and err.count("\n") == 1 and err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
