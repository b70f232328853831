"""ONNX and torch files: what d3rlpy exports (tests/oracles/d3rlpy_exports.py), and what torch itself writes."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.core.errors import CheckpointError, PolicyError, SettingError, SpaceError, UnknownNameError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.policies.foreign.onnx_file import read_onnx
from pilothouse.policies.foreign.outputs import acted
from pilothouse.policies.foreign.torch_file import read_torch
from pilothouse.policies.host import decide
from pilothouse.rollout.actors import responses_of
from pilothouse.train.policies_from import open_policy
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.registry import world

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
HERE = Path(__file__).parent
TOLD = json.loads((HERE / "d3rlpy.json").read_text())["policies"]
SPECS = {"td3bc": Spec(Box((3,)), Box((1,), -2.0, 2.0)), "discrete_cql": Spec(Box((3,)), Discrete(3))}
PENDULUM = SPECS["td3bc"]
PLACE = WorldSource("pendulum", world("pendulum"))


@pytest.fixture(autouse=True)
def in_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    monkeypatch.syspath_prepend(HERE)


def opened(path: Path, spec: Spec) -> Any:
    return read_onnx(path, spec) if path.suffix == ".onnx" else read_torch(path, spec)


@pytest.mark.parametrize("suffix", ["pt", "onnx"])
@pytest.mark.parametrize("name", SPECS)
def test_exports_of_d3rlpy_act_as_d3rlpy_does(name: str, suffix: str) -> None:
    policy, obs = opened(HERE / f"d3rlpy_{name}.{suffix}", SPECS[name]), np.array(TOLD[name]["obs"], np.float32)
    action = decide(policy, obs, (), 0, len(obs)).action
    np.testing.assert_allclose(action, TOLD[name]["action"], rtol=1e-5, atol=1e-5)
    one, _ = policy.act(obs[0])
    np.testing.assert_allclose(one, TOLD[name]["action"][0], rtol=1e-5, atol=1e-5)


def test_a_graph_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"takes observations of shape \[1, 3\].*the place shows \[4\]"):
        read_onnx(HERE / "d3rlpy_td3bc.onnx", Spec(Box((4,)), PENDULUM.action))
    policy = read_onnx(HERE / "d3rlpy_td3bc.onnx", Spec(Box((3,)), Box((2,))))
    with pytest.raises(PolicyError, match=r"d3rlpy_td3bc.onnx gave actions of shape \(4, 1\) for 4.*expected \(4, 2\)"):
        decide(policy, np.zeros((4, 3), np.float32), (), 0, 4)


@pytest.mark.parametrize("name", ["d3rlpy_td3bc.onnx", "d3rlpy_td3bc.pt"])
def test_files_that_are_cut_off_or_of_another_kind_are_refused(name: str, tmp_path: Path) -> None:
    content, path = (HERE / name).read_bytes(), tmp_path / name
    for damaged in (b"", content[: len(content) // 2], b"hello", content[:-40]):
        path.write_bytes(damaged)
        with pytest.raises(PolicyError, match=name) as refused:
            opened(path, PENDULUM)
        assert "\n" not in str(refused.value)


class TestState:
    """A state of tensors, and what builds the module."""

    def saved(self, tmp_path: Path, value: Any, name: str = "net.pt") -> Path:
        torch.save(value, tmp_path / name)
        return tmp_path / name

    @pytest.mark.parametrize("nested", [None, "state_dict", "actor"])
    def test_a_state_fills_what_the_builder_makes(self, nested: str | None, tmp_path: Path) -> None:
        import own_policies  # pyright: ignore[reportMissingImports]

        net = own_policies.net()
        state = net.state_dict() if nested is None else {nested: net.state_dict(), "epoch": 3}
        path = self.saved(tmp_path, state, "net.pth")
        obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        expected = net(torch.from_numpy(obs)).detach().numpy()
        policy = open_policy(path, PLACE, builder="own_policies:net")
        np.testing.assert_allclose(responses_of(policy, PENDULUM)(obs), expected, rtol=1e-6)
        with pytest.raises(PolicyError, match="net.pth holds tensors only. Name what builds the module: --builder"):
            open_policy(path, PLACE)

    def test_a_builder_may_take_the_spec_and_doubles_stay_doubles(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, torch.nn.Linear(3, 1).double().state_dict())
        assert read_torch(path, PENDULUM, builder="own_policies:net_of").act(np.zeros(3))[0].shape == (1,)

    def test_logits_and_values_are_known_by_name(self, tmp_path: Path) -> None:
        import own_policies  # pyright: ignore[reportMissingImports]

        spec = Spec(Box((4,)), Discrete(2))
        net = own_policies.with_value()
        policy = read_torch(self.saved(tmp_path, net.state_dict()), spec, builder="own_policies:with_value")
        obs = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
        outputs = net(torch.from_numpy(obs))
        found = decide(policy, obs, (), 0, 6)
        np.testing.assert_array_equal(found.action, outputs["logits"].argmax(dim=1).numpy())
        np.testing.assert_allclose(found.extra["value"], outputs["value"].detach()[:, 0].numpy(), rtol=1e-6)
        probabilities = torch.softmax(outputs["logits"], dim=1).detach().numpy()
        np.testing.assert_allclose(responses_of(policy, spec)(obs), probabilities, rtol=1e-5)

    @pytest.mark.parametrize(
        ("builder", "kind", "says"),
        [
            ("own_policies:net_of", PolicyError, "does not fit the module of --builder"),
            ("own_policies:no_module", PolicyError, "gave one int; expected a torch module"),
            ("own_policies:broken", PolicyError, "raised RuntimeError: no weights today"),
            ("own_policies:nett", UnknownNameError, "Did you mean 'net'"),
            ("nowhere_at_all:net", UnknownNameError, "--builder 'nowhere_at_all:net' asks for the module"),
            ("net", UnknownNameError, "not of the form module:name"),
        ],
    )
    def test_wrong_builders_are_one_line(self, builder: str, kind: Any, says: str, tmp_path: Path) -> None:
        import own_policies  # pyright: ignore[reportMissingImports]

        path = self.saved(tmp_path, own_policies.net().state_dict())
        with pytest.raises(kind, match=says) as refused:
            read_torch(path, PENDULUM, builder=builder)
        assert "\n" not in str(refused.value)

    def test_what_is_no_state_is_refused(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, torch.zeros(3))
        with pytest.raises(PolicyError, match="holds one Tensor; expected tensors by name"):
            read_torch(path, PENDULUM, builder="own_policies:net")

    def test_a_whole_module_needs_trust_and_the_message_says_why(self, tmp_path: Path) -> None:
        net = torch.nn.Linear(3, 1)
        path = self.saved(tmp_path, net)
        with pytest.raises(PolicyError, match="may run anything. Give --trust.*state_dict.*--builder") as refused:
            read_torch(path, PENDULUM)
        assert "\n" not in str(refused.value)
        obs = np.ones((2, 3), np.float32)
        expected = net(torch.from_numpy(obs)).detach().numpy()
        found = decide(read_torch(path, PENDULUM, trust=True), obs, (), 0, 2).action
        np.testing.assert_allclose(found, np.clip(expected, -2, 2), rtol=1e-6)
        with pytest.raises(PolicyError, match="holds one list; expected a torch module"):
            read_torch(self.saved(tmp_path, [slice(0, 1)]), PENDULUM, trust=True)

    def test_a_pickle_runs_nothing_without_trust(self, tmp_path: Path) -> None:
        class Runs:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "ran",))

        for path in (self.saved(tmp_path, Runs()), tmp_path / "raw.pt"):
            if path.name == "raw.pt":
                path.write_bytes(pickle.dumps(Runs(), protocol=2))
            with pytest.raises(PolicyError):
                read_torch(path, PENDULUM, builder="own_policies:net")
        assert not (tmp_path / "ran").exists()


def test_outputs_mean_what_their_names_and_forms_say() -> None:
    box, three, several = Box((2,)), Discrete(3), MultiDiscrete((2, 3))
    np.testing.assert_array_equal(acted("p", box, {"a": np.arange(4.0)}, 2)[0], [[0, 1], [2, 3]])
    picked = acted("p", box, {"log_prob": np.zeros(2), "actions": np.ones((2, 2))}, 2)[0]
    np.testing.assert_array_equal(picked, np.ones((2, 2)))
    for whole in (np.array([[2], [0]]), np.array([2, 0]), np.array([2.0, 0.0])):
        np.testing.assert_array_equal(acted("p", three, {"y": whole}, 2)[0], [2, 0])
    scores = np.array([[1.0, 3.0, 2.0], [5.0, -1.0, 0.0]])
    action, extra = acted("p", three, {"y": scores}, 2)
    np.testing.assert_array_equal(action, [1, 0])
    assert "probabilities" not in extra
    even = np.full((2, 3), 1 / 3)
    assert "probabilities" in acted("p", three, {"y": even}, 2)[1]
    action, extra = acted("p", several, {"logits": np.array([[0.0, 1.0, 5.0, 0.0, 0.0]])}, 1)
    np.testing.assert_array_equal(action, [[1, 0]])
    np.testing.assert_allclose(extra["probabilities"][0, :2], [1 / (1 + np.e), np.e / (1 + np.e)])
    both = acted("p", three, {"action": np.array([1, 0]), "probabilities": even}, 2)
    np.testing.assert_array_equal(both[0], [1, 0])
    np.testing.assert_array_equal(both[1]["probabilities"], even)
    named = DictSpace.of({"arm": Box((1,)), "gear": three})
    action = acted("p", named, {"gear": scores, "arm": np.zeros((2, 1))}, 2)[0]
    np.testing.assert_array_equal(action["gear"], [1, 0])
    with pytest.raises(PolicyError, match="an output for each of"):
        acted("p", named, {"gear": scores}, 2)
    assert acted("p", box, {"action": np.zeros((2, 2)), "value": np.ones((2, 1))}, 2)[1]["value"].shape == (2,)


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ("policy.d3", PolicyError, "d3rlpy's own pickle. Export the policy"),
        ("model.pkl", PolicyError, "is a pickle"),
        ("notes.txt", PolicyError, "of no kind that is known"),
        ("missing.zip", CheckpointError, "No such policy: missing.zip"),
        ("missing", CheckpointError, "No such policy"),
    ],
)
def test_files_of_other_kinds_are_refused_with_a_way_out(given: str, kind: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / given
    if "missing" not in given:
        path.write_bytes(b"x")
    with pytest.raises(kind, match=says if "missing.zip" not in given else "No such policy"):
        open_policy(path, PLACE)


def test_a_builder_goes_with_a_torch_state_only_and_random_is_random() -> None:
    with pytest.raises(SettingError, match="--builder goes with a torch state"):
        open_policy("d3rlpy_td3bc.onnx", PLACE, builder="own_policies:net")
    assert type(open_policy("random", PLACE)).__name__ == "Random"


def test_a_folder_of_hugging_face_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(PolicyError, match="language model of Hugging Face"):
        open_policy(tmp_path, PLACE)


def test_statistics_are_for_policies_from_elsewhere(tmp_path: Path) -> None:
    np.savez(tmp_path / "stats.npz", mean=np.ones(3), var=np.full(3, 4.0), epsilon=0.0, clip=0.5)
    with pytest.raises(PolicyError, match="ours carry their own"):
        open_policy("random", PLACE, normalize=tmp_path / "stats.npz")
    policy = open_policy("own_policies:swing", PLACE, normalize=tmp_path / "stats.npz")
    # (2 - 1) / 2 is 0.5, (9 - 1) / 2 is clipped to 0.5, (0 - 1) / 2 is -0.5.
    obs = np.array([[0, 0, 2], [0, 0, 9], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(decide(policy, obs, (), 0, 3).action[:, 0], [0.5, 0.5, -0.5])  # pyright: ignore
