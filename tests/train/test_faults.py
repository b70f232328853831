"""Losses that are not finite, and input that cannot be used: which line is said, which exit code, what is left behind."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pilothouse.algorithm.steps import Algorithm, Fit, Objective
from pilothouse.cli.main import main
from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.batches import Whole
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.minari_write import write_minari
from pilothouse.train.checkpoint import latest
from pilothouse.train.metrics import read_metrics
from pilothouse.train.policy_files import load
from pilothouse.train.resolve import world_source
from pilothouse.train.session import Session, open_session, plan_for
from pilothouse.worlds.registry import world

PENDULUM = world("pendulum").spec
OFFLINE = ["--steps", "4", "--episodes", "0", "--set", "width=8", "depth=1", "batch=8"]
ONLINE = ["--world", "cartpole", "--steps", "48", "--episodes", "0", "--envs", "2"]
SMALL = ["--set", "length=8", "width=8", "depth=1", "minibatches=1", "epochs=1"]


def transitions(spec: Spec = PENDULUM, reward: float = 1.0) -> Dataset:
    """Sixteen made-up rows in two episodes."""
    draw = np.random.default_rng(0)
    size = spec.obs.size
    obs = draw.normal(size=(17, size)).astype(np.float32)
    rows = {
        "obs": obs[:-1],
        "next_obs": obs[1:],
        "action": draw.uniform(-0.9, 0.9, (16, spec.action.size)).astype(np.float32),
        "reward": np.full(16, reward, np.float32),
        "terminated": np.zeros(16, bool),
        "truncated": np.arange(16) % 8 == 7,
    }
    return dataset_from_transitions(rows, spec, name="made-v0")


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command in a folder of its own: its exit code and what it said of errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(arguments))
        return code, capsys.readouterr().err

    return run


def refused(answer: tuple[int, str], *words: str, code: int = 2) -> None:
    assert answer[0] == code, answer[1]
    assert answer[1].count("\n") == 1 and answer[1].startswith("error: "), answer[1]
    for word in words:
        assert word in answer[1]


# ------------------------------------------------------------------------------------------------------ NaN in a loss


def session_that_fails(at: dict[int, int]) -> Session:
    """Two objectives of which the second turns NaN: in lane `i` at update `at[i]`. Lanes have seeds 7, 8, 9."""

    def first(parts: Any, batch: Any, key: Any) -> Any:
        return ((parts["a"] - 1.0) ** 2).sum(), {}

    def second(parts: Any, batch: Any, key: Any) -> Any:
        broken = parts["clock"]["updates"] >= parts["fails"]
        return jnp.where(broken, jnp.nan, 1.0) * (parts["b"] ** 2).sum(), {}

    fit = Fit((Objective(first, ("a",)), Objective(second, ("b",))), Whole("data"), times=3)
    algorithm = Algorithm.of(
        parts={
            "a": lambda key: jnp.zeros(2),
            "b": lambda key: jax.random.normal(key, (2,)),
            "fails": lambda key: jnp.zeros((), jnp.int32),
        },
        cycle=(fit,),
        acts=lambda parts: parts["a"],  # pyright: ignore
        optimizer=optax.sgd(0.1),
    )
    source = Data(Batch(obs=jnp.zeros((2, 1)), reward=jnp.zeros(2)))
    adopt = {"fails": jnp.array([at.get(lane, 10**6) for lane in range(3)], jnp.int32)}
    return open_session(algorithm, source, seeds=[7, 8, 9], episodes=0, adopt=adopt)  # type: ignore


def test_floats_of_an_algorithm_that_is_made_are_refused() -> None:
    """They would be ignored: only a recipe can be made anew with them."""
    made = Algorithm.of(parts={}, cycle=(), acts=lambda parts: parts, optimizer=optax.sgd(0.1))  # pyright: ignore
    with pytest.raises(SettingError, match="'rate'.*already made"):
        open_session(made, world_source("pendulum"), seeds=[0], floats={"rate": 0.1})


class Data:
    """A source of fixed rows."""

    name, kind, spec = "rows", "data", PENDULUM
    scaling = world_source("pendulum").scaling

    def __init__(self, rows: Batch):
        self.rows = rows

    def fixed(self) -> dict[str, Any]:
        return {"data": self.rows}

    def worlds(self, lane_seeds: tuple[int, ...]) -> dict[str, Any]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {}


def test_a_loss_that_is_not_finite_is_named_by_objective_seed_and_step() -> None:
    session, healthy = session_that_fails({1: 5, 2: 0}), session_that_fails({})
    for each in (session, healthy):
        each.run(plan_for(each.machine, each.source, 12, evaluations=1))
    assert session.fault_lines() == [
        "seed 8: the loss of 'second' was not finite at update 5",  # the last of the second cycle of three
        "seed 9: the loss of 'second' was not finite at update 0",
    ]
    np.testing.assert_array_equal(session.diverged(), [False, True, True])
    for name in ("a", "b"):
        found, whole = (np.asarray(s.machine.state.parts[name]) for s in (session, healthy))
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found[0], whole[0])  # the others do not notice
    # Five updates of lane 8 count, none of lane 9: b shrinks by 1 - 2 * 0.1 each time.
    start = np.asarray(session_that_fails({}).machine.state.parts["b"])
    np.testing.assert_allclose(session.machine.state.parts["b"], start * 0.8 ** np.array([[12], [5], [0]]), rtol=1e-5)


def test_a_run_whose_every_seed_failed_says_so_exits_3_and_keeps_the_last_finite_policy(
    said: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    write_minari(tmp_path / "huge-v0", transitions(reward=1e30))
    answer = said("train", "iql", "--data", "huge-v0", "--seeds", "2", "--out", "run", "--quiet", *OFFLINE)
    refused(answer, "seed 0: the loss of", "seed 1: the loss of", "at update", "run/policy", code=3)
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert all(line["diverged"] for line in lines) and any(None in line.values() for line in lines)
    action, _ = load(tmp_path / "run", seed=1).act(np.zeros(3, np.float32))
    assert np.isfinite(action).all()


# ------------------------------------------------------------------------------------------------------------ datasets


def _hdf5(folder: Path) -> Path:
    return next(folder.rglob("*.hdf5"))


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("obs,action\n1,2\n")


def foreign(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "data.csv").write_text("obs,action\n1,2\n")


def cut(folder: Path) -> None:
    file = _hdf5(folder)
    file.write_bytes(file.read_bytes()[:-100])


def no_hdf5(folder: Path) -> None:
    _hdf5(folder).write_bytes(b"not a dataset of any kind" * 20)


def no_json(folder: Path) -> None:
    next(folder.rglob("metadata.json")).write_text('{"total_episodes": ')


def _poke(folder: Path, name: str, value: float) -> None:
    with h5py.File(_hdf5(folder), "r+") as file:
        file["episode_1"][name][3] = value  # type: ignore


def nan_obs(folder: Path) -> None:
    _poke(folder, "observations", np.nan)


def infinite_reward(folder: Path) -> None:
    _poke(folder, "rewards", np.inf)


def nan_action(folder: Path) -> None:
    _poke(folder, "actions", np.nan)


def short(folder: Path) -> None:
    with h5py.File(_hdf5(folder), "r+") as file:
        rewards = file["episode_0/rewards"][:-1]  # type: ignore
        del file["episode_0/rewards"]
        file["episode_0/rewards"] = rewards


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (missing, "no such file or folder"), (empty, "empty"), (a_file, "is a file"), (foreign, "made-v0"), (cut, "made-v0"),
        (no_hdf5, "made-v0"), (no_json, "metadata.json"), (nan_obs, "nan in episode 1, row 3"),
        (infinite_reward, "inf in episode 1, row 3"), (nan_action, "nan in episode 1, row 3"),
        (short, "of episode 0 has shape (8,), expected (7,)"),
    ],
    ids=lambda given: getattr(given, "__name__", None),
)  # fmt: skip
@pytest.mark.parametrize("command", ["train", "inspect"])
def test_a_dataset_that_cannot_be_used(
    command: str, damage: Any, words: str, said: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    write_minari(tmp_path / "made-v0", transitions())
    damage(tmp_path / "made-v0")
    before = sorted(tmp_path.rglob("*"))
    given = ["data", "inspect", "made-v0"]
    refused(
        said(*(given if command == "inspect" else ["train", "iql", "--data", "made-v0", "--out", "run", *OFFLINE])),
        words,
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (Spec(Box((5,)), PENDULUM.action), ["--world", "pendulum"]),  # another shape of observation
        (Spec(PENDULUM.obs, Box((2,), -2.0, 2.0)), ["--world", "pendulum"]),  # another number of actions
        (Spec(PENDULUM.obs, Box((1,), -1.0, 1.0)), ["--world", "pendulum"]),  # another range of actions
        (Spec(PENDULUM.obs, Box((1,), -1.0, 1.0)), ["--env", "Pendulum-v1"]),
        (PENDULUM, ["--world", "cartpole"]),
        (PENDULUM, ["--world", "arithmetic"]),
    ],
    ids=range(6),
)
def test_a_dataset_that_does_not_fit_the_environment(
    spec: Spec, place: list[str], said: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    if place[0] == "--env":
        pytest.importorskip("gymnasium")
    write_minari(tmp_path / "made-v0", transitions(spec))
    answer = said("train", "iql", "--data", "made-v0", *place, "--out", "run", *OFFLINE)
    refused(answer, f"{place[1]} does not fit the dataset made-v0")
    assert [path.name for path in tmp_path.iterdir()] == ["made-v0"]


# --------------------------------------------------------------------------------------------- output folders and disks


def train_ppo(said: Callable[..., tuple[int, str]], out: str, *more: str) -> tuple[int, str]:
    return said("train", "ppo", *ONLINE, "--out", out, "--quiet", *more, *SMALL)


def test_an_output_folder_that_cannot_be_used(said: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "thesis.tex").write_text("mine")
    (tmp_path / "held").mkdir()
    before = sorted(tmp_path.rglob("*"))
    refused(train_ppo(said, "file"), "is a file")
    refused(train_ppo(said, "file/run"), "Cannot write file/run")
    refused(train_ppo(said, "/proc/run"), "Cannot write /proc/run")
    refused(train_ppo(said, "others"), "is not empty", "--overwrite")
    refused(train_ppo(said, "others", "--resume"), "no run of pilothouse")
    assert sorted(tmp_path.rglob("*")) == before
    with open(tmp_path / "held" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(train_ppo(said, "held"), "in use")
        refused(train_ppo(said, "held", "--overwrite"), "in use")
    assert (tmp_path / "others" / "thesis.tex").read_text() == "mine"
    assert [path.name for path in (tmp_path / "held").iterdir()] == [".lock"]


def outcome(folder: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The bytes of the last checkpoint's arrays and of the policies, and the metrics without what the clock says."""
    checkpoint = latest(folder / "checkpoints")
    assert checkpoint is not None
    files = [checkpoint / "state.safetensors", *sorted(folder.glob("policy/*/policy.safetensors"))]
    lines = [{k: v for k, v in line.items() if k != "timing"} for line in read_metrics(folder / "metrics.jsonl")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}, lines


class Disk:
    """Stands before `os.fsync`: the disk is full at this write, and at every later one."""

    def __init__(self, full_at: int | None, number: int = errno.ENOSPC):
        self.writes, self.full_at, self.number, self.real = 0, full_at, number, os.fsync

    def __call__(self, descriptor: int) -> None:
        self.writes += 1
        if self.full_at is not None and self.writes >= self.full_at:
            raise OSError(self.number, os.strerror(self.number))
        self.real(descriptor)


def test_a_disk_that_fills_at_any_write_is_one_line_and_the_run_goes_on_from_it(
    said: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Disk(None)
    monkeypatch.setattr(os, "fsync", whole)
    assert train_ppo(said, "whole")[0] == 0
    expected = outcome(tmp_path / "whole")
    # The config, the first metrics, the manifest of the first checkpoint, the policy after the last.
    for write in (1, 2, 4, whole.writes - 1):
        out = f"full-{write}"
        monkeypatch.setattr(os, "fsync", Disk(write, errno.EDQUOT if write == 2 else errno.ENOSPC))
        refused(train_ppo(said, out), "full")
        for path in (tmp_path / out).rglob("*"):
            assert ".partial" not in path.name and not (path.is_dir() and path.name.startswith("."))
        monkeypatch.setattr(os, "fsync", whole)
        answer = train_ppo(said, out, "--resume")
        assert answer[0] == 0, (write, answer[1])
        assert outcome(tmp_path / out) == expected


# ---------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", "ppo", *ONLINE, "--out", str(folder), "--quiet", *SMALL]) == 0
    return folder


def _manifest(checkpoint: Path, **changed: Any) -> None:
    path = checkpoint / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda c: (c / "state.safetensors").write_bytes((c / "state.safetensors").read_bytes()[:-9]), "damaged"),
        (lambda c: (c / "state.safetensors").unlink(), "cannot be read"),
        (lambda c: _manifest(c, format=99), "Upgrade"),
        (lambda c: (c / "manifest.json").write_text('{"format": 1'), "damaged"),
        (lambda c: (c / "manifest.json").write_text('{"model": "of another library"}'), "not a checkpoint"),
    ],
    ids=["cut", "gone", "newer", "no json", "foreign"],
)
def test_a_checkpoint_that_cannot_be_used(
    damage: Callable[[Path], None], words: str, said: Callable[..., tuple[int, str]], finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    checkpoint = latest(tmp_path / "run" / "checkpoints")
    assert checkpoint is not None
    damage(checkpoint)
    config = (tmp_path / "run" / "config.json").read_bytes()
    refused(train_ppo(said, "run", "--resume"), words, checkpoint.name)
    assert (tmp_path / "run" / "config.json").read_bytes() == config


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "ppo", *ONLINE, "--seeds", "-2"], "seeds=-2"),
        (["train", "ppo", *ONLINE, "--seed", "-1"], "seed=-1"),
        (["train", "ppo", *ONLINE, "--envs", "0"], "--envs 0"),
        (["train", "ppo", *ONLINE, "--stack", "0"], "stack of 0"),
        (["train", "ppo", *ONLINE, "--episodes", "-1"], "episodes=-1"),
        (["train", "ppo", *ONLINE, "--schedule", "lineer"], "Did you mean 'linear'"),
        (["train", "ppo", *ONLINE, "--env", "CartPole-v1"], "not both"),
        (["train", "ppo", *ONLINE, "--config", "nowhere.json"], "nowhere.json"),
        (["train", "policy-smoothing", *ONLINE], "learns nothing by itself"),
        (["evaluate", "random", "--world", "cartpole", "--seed", "-1"], "seed=-1"),
        (["record", "random", "--world", "cartpole", "--steps", "4", "--seed", "-1", "--out", "m-v0"], "seed=-1"),
        (["record", "random", "--world", "cartpole", "--steps", "4", "--out", "m"], "NAME-vN"),
        (["record", "random", "--world", "arithmetic", "--steps", "4", "--out", "m-v0"], "Tokens"),
        (["reproduce", "ppo", "--seeds", "0", "--out", "r"], "seeds=0"),
        (["reproduce", "iql", "--out", "r"], "no claim"),
        (["reproduce", "ipl"], "planned and not built"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_numbers_and_names_that_cannot_be(
    arguments: list[str], words: str, said: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    refused(said(*arguments), words)
    assert list(tmp_path.iterdir()) == []


def test_a_policy_of_another_environment(said: Callable[..., tuple[int, str]], finished: Path, tmp_path: Path) -> None:
    refused(said("evaluate", str(finished), "--world", "pendulum"), "The policy observes Box[4]")
    refused(
        said("record", str(finished), "--world", "pendulum", "--steps", "4", "--out", "made-v0"),
        "The policy observes Box[4]",
    )
    assert list(tmp_path.iterdir()) == []
