"""Every kind of observation and action, as a user meets it: learned on, saved, loaded, measured, recorded, cloned.

The environments are those of `space_environments.py`, which take no action outside their spaces or their masks.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import pilothouse
from pilothouse.cli.main import main
from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.gymnasium_spaces import discrete_start
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, Space, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.minari_write import write_minari
from pilothouse.evaluate.recording import record_policy
from pilothouse.train.resolve import resolve

HERE = Path(__file__).parent
PPO = {
    "lr": 1e-2, "length": 32, "width": 32, "depth": 1, "epochs": 4, "minibatches": 2, "discount": 0.0, "lam": 0.0,
}  # fmt: skip
DQN = {"width": 8, "depth": 1, "batch": 8, "warmup": 20, "capacity": 64}
BC = {"lr": 1e-2, "width": 32, "depth": 1, "batch": 64}
SMALL = {"length": 8, "width": 8, "depth": 1, "minibatches": 1, "epochs": 1}
MOST = 5.0
"""The best return; half of it is chance."""


@pytest.fixture(autouse=True)
def _environments_can_be_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)


def env_of(name: str) -> str:
    return f"space_environments:{name}-v0"


def made(name: str) -> Any:
    import space_environments  # noqa: F401

    return gymnasium.make(f"{name}-v0", disable_env_checker=True)


def shifted(value: Any, start: Any, sign: int) -> Any:
    """Choices counted from 0 (sign -1), or from where the environment counts them (sign 1)."""
    if isinstance(value, dict):
        return {name: shifted(value[name], start[name], sign) for name in value}
    return value + sign * np.asarray(start) if np.any(start) else value


def check_within(space: Any, action: Any) -> None:
    if isinstance(action, dict):
        assert set(action) == set(space.spaces)
        for name, part in action.items():
            check_within(space[name], part)
    else:
        action = np.asarray(action).astype(space.dtype)
        assert space.contains(action), f"{action} is not in {space}"


def check_acts_within(policy: Any, name: str) -> None:
    """Twenty actions, each for an observation of the environment, each in its action space."""
    env = made(name)
    obs_start, start = discrete_start(env.observation_space), discrete_start(env.action_space)
    obs, _ = env.reset(seed=1)
    for turn in range(20):
        action, _ = policy.act(shifted(obs, obs_start, -1), seed=turn)
        check_within(env.action_space, shifted(action, start, 1))
        obs = env.observation_space.sample()
    env.close()


@pytest.mark.parametrize(
    "name",
    [
        "Do-box",  # seen: a box of float64
        pytest.param("See-discrete", marks=pytest.mark.slow),  # done: a choice, as with images
        "See-multidiscrete-do-multidiscrete",
        "See-dict-do-dict",
        pytest.param("See-boxes-do-open", marks=pytest.mark.slow),
        "See-image",
    ],
)
def test_ppo_learns_and_bc_clones_what_was_recorded(name: str, tmp_path: Path) -> None:
    env = env_of(name)
    four = resolve(env=env, environments=4)
    run = pilothouse.train(pilothouse.recipe("ppo", **PPO), four, steps=2048, out=tmp_path / "ppo", episodes=0)
    policy = pilothouse.load(run.folder)
    learned = pilothouse.evaluate(str(run.folder), env, episodes=20).mean
    assert learned > 0.8 * MOST
    check_acts_within(policy, name)

    recorded = record_policy(policy, resolve(env=env), steps=300, seed=0, out=tmp_path / "made-v0")  # type: ignore
    assert recorded.spec == four.spec and (recorded.lengths == 5).all()
    assert recorded.returns.mean() > 0.8 * MOST
    assert pilothouse.dataset(tmp_path / "made-v0").fingerprint == recorded.fingerprint

    cloned = pilothouse.train(
        pilothouse.recipe("bc", **BC), tmp_path / "made-v0", steps=200, out=tmp_path / "bc", episodes=0
    )
    assert pilothouse.evaluate(str(cloned.folder), env, episodes=20).mean > 0.75 * MOST


def test_minari_opens_what_was_recorded_of_a_dict(tmp_path: Path) -> None:
    minari = pytest.importorskip("minari")
    record_policy("random", resolve(env=env_of("See-boxes")), steps=10, seed=0, out=tmp_path / "made-v0")  # type: ignore
    first = next(minari.MinariDataset(tmp_path / "made-v0" / "data").iterate_episodes())
    assert first.observations["matrix"].shape == (6, 2, 2) and first.observations["few"].dtype == np.int8


def test_names_with_slashes_are_learned_from_and_are_no_names_to_minari(tmp_path: Path) -> None:
    env = env_of("See-slashed")
    run = pilothouse.train(pilothouse.recipe("ppo", **SMALL), env, steps=8, out=tmp_path / "run", episodes=0)
    assert np.isfinite(pilothouse.evaluate(str(run.folder), env, episodes=1).mean)
    with pytest.raises(DataError, match="'arm/eye'.*with a slash"):
        record_policy(run.policy(), resolve(env=env), steps=8, seed=0, out=tmp_path / "made-v0")  # type: ignore
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_bc_learns_from_flat_boxes_of_int8(tmp_path: Path) -> None:
    record_policy("random", resolve(env=env_of("See-int8")), steps=20, seed=0, out=tmp_path / "made-v0")  # type: ignore
    run = pilothouse.train(pilothouse.recipe("bc", width=8), tmp_path / "made-v0", steps=2, out=tmp_path / "bc")
    assert run.policy().act(np.array([1, -3], np.int8))[0] in (0, 1)


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("ppo", "Masked-discrete-obs"),
        ("ppo", "Masked-dict-parts"),
        ("dqn", "Masked-discrete-obs"),
        ("dqn", "Masked-silent"),
    ],
)
def test_what_a_mask_forbids_is_never_done(recipe: str, name: str, tmp_path: Path) -> None:
    """The environments raise at the first forbidden action: at random, exploring, drawn, greedy, cloned."""
    from space_environments import Masked

    Masked.taken = 0
    env, settings = env_of(name), {"ppo": PPO, "dqn": DQN}[recipe]
    run = pilothouse.train(
        pilothouse.recipe(recipe, **settings), resolve(env=env, environments=2), steps=256, out=tmp_path / "run",
        episodes=0,
    )  # fmt: skip
    assert Masked.taken >= 256
    pilothouse.evaluate(str(run.folder), env, episodes=10)
    pilothouse.evaluate("random", env, episodes=10)
    record_policy("random", resolve(env=env), steps=50, seed=0, out=tmp_path / "made-v0")  # type: ignore
    assert Masked.taken >= 256 + 2 * 10 * 5 + 50
    if name == "Masked-dict-parts":  # choices of every kind together
        bound = pilothouse.recipe("bc", **BC)
        cloned = pilothouse.train(bound, tmp_path / "made-v0", steps=8, out=tmp_path / "bc", episodes=0)
        pilothouse.evaluate(str(cloned.folder), env, episodes=10)


def test_the_masked_environment_forgives_nothing() -> None:
    env = made("Masked-discrete-info")
    _, info = env.reset(seed=0)
    with pytest.raises(AssertionError, match="is forbidden"):
        env.step(int(2 + np.argmin(info[MASK])))


Said = tuple[int, str]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command; it must say one line and leave nothing but what was there."""

    def run(*arguments: str) -> Said:
        before = sorted(tmp_path.rglob("*"))
        code = main(list(arguments))
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: ") and err.count("\n") == 1, err
        assert sorted(tmp_path.rglob("*")) == before, "something half-written"
        return code, err

    return run


TAKES = {
    "ppo": "takes Box, Discrete, MultiDiscrete or Dict actions and Box, Discrete, MultiDiscrete, Dict or image observations",
    "sac": "takes Box actions and Box, Discrete, MultiDiscrete, Dict or image observations",
    "td3": "takes Box actions and Box",
    "dqn": "takes Discrete actions and Box",
}


@pytest.mark.parametrize(
    ("recipe", "name", "told"),
    [
        ("sac", "See-box", "has Discrete actions"),
        ("td3", "Do-multidiscrete", "has MultiDiscrete actions"),
        ("sac", "Do-dict", "has Dict actions"),
        ("dqn", "Do-box", "has Box actions"),
        ("dqn", "Do-dict", "has Dict actions"),
        ("sac", "Do-open", "finite bounds"),
        ("td3", "Do-open", "finite bounds"),
        ("ppo", "Do-pixels", "uint8"),
        ("ppo", "Do-int8", "int8"),
        *(("ppo", f"Do-{kind}", "The actions of") for kind in ("text", "graph", "sequence", "tuple", "binary")),
        *(("sac", f"Do-{kind}", "The actions of") for kind in ("ints", "nested", "nothing", "none")),
        *(("ppo", f"See-{kind}", "The observations of") for kind in ("text", "graph", "sequence", "tuple", "oneof")),
        *(("dqn", f"See-{kind}", "The observations of") for kind in ("binary", "ints", "bools", "nested", "words")),
        *(("ppo", f"See-{kind}", "The observations of") for kind in ("empty", "nothing", "numbered", "none")),
        ("ppo", "Masked-box-obs", "Box actions take none"),
        ("sac", "Masked-box-info", "Box actions have no choices"),
        ("dqn", "Masked-long-obs", "4 choices"),
        ("ppo", "Masked-long-info", "4 choices"),
    ],
)
def test_other_spaces_are_refused_by_a_line_that_names_what_the_recipe_takes(
    said: Callable[..., Said], recipe: str, name: str, told: str
) -> None:
    code, line = said("train", recipe, "--env", env_of(name), "--steps", "16", "--out", "run")
    assert code == 2
    assert told in line and f"ecipe {recipe!r} {TAKES[recipe]}" in line


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("short", "has shape (1,); expected (3,)"),
        ("column", "has shape (3, 1); expected (3,)"),
        ("scalar", "has shape (); expected (3,)"),
        ("words", "expected numbers"),
        ("complex", "is of complex128; expected numbers"),
        ("nothing", "is one NoneType; expected numbers"),
        ("ragged", "is one tuple; expected numbers"),
        ("floats", "is of float64; expected whole numbers"),
        ("range", "is 2; expected choices from 3 to 6"),
        ("ranges", "expected choices from [1, -1] to [2, 1]"),
        ("lacking", "is ['far']; expected a dict of ['far', 'pair', 'place']"),
        ("unnamed", "is one ndarray; expected a dict of"),
    ],
)
def test_environments_that_show_something_else_than_they_say(said: Callable[..., Said], fault: str, told: str) -> None:
    arguments = ("--env", env_of(f"Misleading-{fault}"))
    code, line = said("train", "ppo", *arguments, "--steps", "16", "--out", "run")
    assert code == 2 and told in line
    code, line = said("evaluate", "random", *arguments)
    assert code == 2 and told in line


@pytest.mark.parametrize("fault", ["short", "words", "lacking"])
def test_environments_that_go_astray_later(fault: str) -> None:
    with pytest.raises(SpaceError, match="as its space says"):
        pilothouse.evaluate("random", env_of(f"Misleading-later-{fault}"))


def test_a_refusal_is_one_line_of_a_fresh_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pilothouse", "train", "sac", "--env", env_of("See-box"), "--steps", "16"]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: Recipe 'sac' takes Box actions") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def transitions(obs: Space, action: Space) -> Dataset:
    """Eight made-up rows in two episodes, all zeros."""

    def zeros(space: Space) -> Any:
        if isinstance(space, DictSpace):
            return {name: zeros(inner) for name, inner in space.items}
        return np.zeros((8, *space.shape), space.dtype)

    rows = {
        "obs": zeros(obs), "next_obs": zeros(obs), "action": zeros(action), "reward": np.zeros(8, np.float32),
        "terminated": np.arange(8) % 4 == 3, "truncated": np.zeros(8, bool),
    }  # fmt: skip
    return dataset_from_transitions(rows, Spec(obs, action), name="made-v0")


def test_datasets_of_other_spaces_are_refused_likewise(said: Callable[..., Said], tmp_path: Path) -> None:
    write_minari(tmp_path / "made-v0", transitions(Box((3,)), Discrete(2)))
    write_minari(tmp_path / "bytes-v0", transitions(Box((3,)), Box((2,), 0, 255, "uint8")))
    options = ("--steps", "4", "--out", "run")
    code, line = said("train", "td3bc", "--data", "made-v0", *options)
    assert code == 2 and "Recipe 'td3bc' takes Box actions" in line and "has Discrete actions" in line
    code, line = said("train", "bc", "--data", "bytes-v0", *options)
    assert code == 2 and "Recipe 'bc' takes Box, Discrete" in line and "has Box of uint8 actions" in line

    file = tmp_path / "made-v0" / "data" / "metadata.json"
    kept = json.loads(file.read_text())
    described = json.loads(kept["observation_space"])
    for wrong, told in (
        ({"type": "Text", "max_length": 3}, "Unsupported space Text"),
        ({"type": "Dict", "subspaces": {"a": {"type": "Dict", "subspaces": {"b": described}}}}, "nested Dict"),
        ({**described, "dtype": "complex64"}, "Unsupported Box of complex64"),
        ({**described, "shape": [2], "low": [0, 0], "high": [1, 1]}, "expected (5, 2)"),
    ):
        file.write_text(json.dumps({**kept, "observation_space": json.dumps(wrong)}))
        code, line = said("train", "bc", "--data", "made-v0", *options)
        assert code == 2 and told in line
        assert "expected (5, 2)" in line or "Recipe 'bc' takes Box, Discrete, MultiDiscrete or Dict actions" in line


def test_a_loaded_policy_says_what_it_observes(tmp_path: Path) -> None:
    bound = pilothouse.recipe("ppo", **SMALL)
    run = pilothouse.train(bound, env_of("See-dict"), steps=8, out=tmp_path / "run", episodes=0)
    policy = run.policy()
    obs = {"far": [0.5, -0.5], "place": 1, "pair": np.array([0, 1])}
    assert policy.act(obs)[0] in (0, 1)
    for wrong, told in (
        ({**obs, "place": 2}, r"\['place'\] is 2; expected choices from 0 to 1"),
        ({**obs, "far": np.zeros((1, 2))}, r"\['far'\] has shape \(1, 2\); expected \(2,\)"),
        ({"far": obs["far"]}, r"is \['far'\]; expected a dict of"),
        (np.zeros(3), "is one ndarray; expected a dict of"),
    ):
        with pytest.raises(SpaceError, match=told):
            policy.act(wrong)
