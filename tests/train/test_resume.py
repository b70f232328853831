"""Killed or stopped at any moment and resumed: the same parameters and the same metrics, for every kind of learning."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.errors import CheckpointError, OutputError, SettingError
from pilothouse.train.checkpoint import ReplayFiles, latest, load_checkpoint, save_checkpoint
from pilothouse.train.machine import Machine
from pilothouse.train.metrics import read_metrics
from pilothouse.train.run import train
from pilothouse.train.session import open_session
from pilothouse.train.simulators import Simulators
from pilothouse.train.sources import SimulatorSource

ON_POLICY = ["ppo", "--world", "cartpole", "--steps", "640", "--seeds", "2"]
ON_POLICY_SMALL = ["length=8", "width=8", "minibatches=1", "epochs=1"]
OFF_POLICY = ["sac", "--env", "Pendulum-v1", "--steps", "300"]
OFF_POLICY_SMALL = ["width=8", "batch=8", "warmup=20", "capacity=200"]
LANGUAGE = ["grpo", "--world", "arithmetic", "--steps", "30"]
LANGUAGE_SMALL = ["width=8", "layers=1", "pretraining=10", "prompts=2", "tries=2"]
OFFLINE_SMALL = ["width=8", "batch=8"]
CONTINUED = ["cal-ql", "--env", "Pendulum-v1", "--steps", "40", "--online-steps", "60"]
CONTINUED_SMALL = ["width=8", "depth=1", "batch=8", "samples=2", "capacity=100"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "made-v0"
    command(["record", "random", "--world", "pendulum", "--steps", "400", "--out", str(place)])
    return place


def arguments(kind: str, data: Path) -> list[str]:
    offline = ["iql", "--data", str(data), "--world", "pendulum", "--steps", "100"]
    base, small = {
        "on-policy": (ON_POLICY, ON_POLICY_SMALL),
        "off-policy": (OFF_POLICY, OFF_POLICY_SMALL),
        "language": (LANGUAGE, LANGUAGE_SMALL),
        "offline": (offline, OFFLINE_SMALL),
        "offline-to-online": ([*CONTINUED, "--data", str(data)], CONTINUED_SMALL),
    }[kind]
    return ["train", *base, "--episodes", "2", "--set", *small]


def start(given: list[str]) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "pilothouse", *given]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def command(given: list[str]) -> None:
    process = start(given)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()


def outcome(folder: Path) -> tuple[dict[str, bytes], list[dict]]:
    """Every array of the last checkpoint and of the policies, and the metrics without what depends on the clock."""
    checkpoint = latest(folder / "checkpoints")
    assert checkpoint is not None
    files = [checkpoint / "state.safetensors", *sorted(folder.glob("policy/*/policy.safetensors"))]
    arrays = {f"{f.parent.name}/{n}": a.tobytes() for f in files for n, a in load_file(f).items()}
    lines = [{k: v for k, v in line.items() if k != "timing"} for line in read_metrics(folder / "metrics.jsonl")]
    return arrays, lines


# The contract resumes every recipe from checkpoints; here processes die, in all ways that the engine drives differently.
@pytest.mark.parametrize(
    "kind",
    [
        "on-policy",
        "off-policy",
        pytest.param("language", marks=pytest.mark.slow),
        pytest.param("offline", marks=pytest.mark.slow),
        "offline-to-online",
    ],
)
def test_killed_at_a_random_moment_and_resumed(kind: str, data: Path, tmp_path: Path) -> None:
    given = arguments(kind, data)
    command([*given, "--out", str(tmp_path / "whole")])
    process = start([*given, "--out", str(tmp_path / "killed")])
    draw, until = random.Random(kind), time.monotonic() + 120
    while not list((tmp_path / "killed").glob("checkpoints/0*")) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(draw.uniform(0.0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.wait()
    command([*given, "--out", str(tmp_path / "killed"), "--resume"])
    whole, again = outcome(tmp_path / "whole"), outcome(tmp_path / "killed")
    assert whole[1] == again[1]
    assert whole[0] == again[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "done"
    # In this process, as what is compared with it: by how JAX was first used, lanes are dealt to cores here or are not.
    go_on(folder)
    return folder


def go_on(folder: Path, **changed: object) -> None:
    from pilothouse.train.resolve import world_source

    settings = {"length": 8, "width": 8, "minibatches": 1, "epochs": 1} | changed.pop("settings", {})  # type: ignore
    bound = load_recipe("ppo")(**settings)
    more = {"steps": 640, "seeds": 2, "episodes": 2, "resume": True} | changed
    train(bound, world_source("cartpole"), out=folder, **more)  # type: ignore


def test_other_settings_are_refused(finished: Path) -> None:
    with pytest.raises(SettingError, match="seeds=2"):
        go_on(finished, seeds=3)
    with pytest.raises(SettingError, match="begun with settings"):
        go_on(finished, settings={"lr": 1e-2})
    with pytest.raises(SettingError, match="would shorten"):
        go_on(finished, steps=64)


def test_a_folder_in_use_is_refused_and_a_dead_process_does_not_hold_it(finished: Path, tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / "mine"
    shutil.copytree(finished, folder)
    with open(folder / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="in use"):
            go_on(folder, steps=1280)
    go_on(folder)  # finished: says so, changes nothing


@pytest.mark.parametrize("fault", ["flipped", "cut", "newer", "foreign", "no manifest"])
def test_a_damaged_checkpoint_is_refused_in_one_line(finished: Path, tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(finished, folder)
    checkpoint = latest(folder / "checkpoints")
    assert checkpoint is not None
    for other in checkpoint.parent.iterdir():
        if other != checkpoint:
            shutil.rmtree(other)
    state, manifest = checkpoint / "state.safetensors", checkpoint / "manifest.json"
    if fault == "flipped":
        data = bytearray(state.read_bytes())
        data[-3] ^= 1
        state.write_bytes(data)
    elif fault == "cut":
        state.write_bytes(state.read_bytes()[:-10])
    elif fault == "newer":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    elif fault == "foreign":
        manifest.write_text('{"hello": 1}')
    else:
        manifest.unlink()  # half-written: never chosen, so learning starts again and comes to the same
        go_on(folder)
        assert outcome(folder)[1] == outcome(finished)[1]
        return
    with pytest.raises(CheckpointError) as refused:
        go_on(folder, steps=1280)
    assert checkpoint.name in str(refused.value) and "\n" not in str(refused.value)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from pilothouse.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    given = ["train", *ON_POLICY, "--episodes", "0", "--out", str(tmp_path / "full"), "--set", *ON_POLICY_SMALL]
    env = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    process = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True, env=env, timeout=300)
    assert process.returncode == 2
    assert "full" in process.stderr.splitlines()[-1]
    assert latest(tmp_path / "full" / "checkpoints") is None
    assert not list(tmp_path.glob("full/checkpoints/.0*"))


def test_resuming_replay_keeps_every_row(data: Path, tmp_path: Path) -> None:
    """The append-only file holds the rows in order, as many as the manifest counts."""
    command([*arguments("off-policy", data), "--out", str(tmp_path / "run")])
    checkpoint = latest(tmp_path / "run" / "checkpoints")
    assert checkpoint is not None
    entry = json.loads((checkpoint / "manifest.json").read_text())["replay"]["replay"][0]
    width = os.path.getsize(tmp_path / "run" / "replay" / "replay-0.rows") / entry["stored"]
    assert entry["total"] == 300 and width == np.round(width)


def test_new_episodes_of_a_simulator_that_wait_in_a_checkpoint_are_not_begun_again(tmp_path: Path) -> None:
    """Counterpol begins each rollout with new episodes: at a border they have begun, and their first actions wait."""
    bound = load_recipe("counterpol")(width=8, depth=1, length=4, rounds=1)

    def fresh() -> Machine:
        return open_session(bound, SimulatorSource("CartPole-v1"), seeds=[0], episodes=0).machine

    whole, again, replay = fresh(), fresh(), ReplayFiles(tmp_path / "replay")
    whole.advance(1)
    load_checkpoint(save_checkpoint(tmp_path, 1, whole, replay, {}), again, replay)
    np.testing.assert_equal(again.advance(1), whole.advance(1))
    for machine in (whole, again):
        simulators = machine.worlds["world"]
        assert isinstance(simulators, Simulators)
        assert simulators.episodes.tolist() == [4]  # cycles of two rollouts each; the fifth has begun
        simulators.close()
