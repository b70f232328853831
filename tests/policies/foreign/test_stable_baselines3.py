"""Models of Stable-Baselines3, made by the library itself (tests/oracles/sb3_models.py): our action is its action."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.evaluate.episodes import evaluate_policy
from pilothouse.policies.foreign.normalisation import read_statistics, standardised
from pilothouse.policies.foreign.stable_baselines3 import NotBuiltIn, read_sb3
from pilothouse.rollout.actors import responses_of
from pilothouse.train.resolve import environment_source

torch = pytest.importorskip("torch")
HERE = Path(__file__).parent
TOLD = json.loads((HERE / "stable_baselines3.json").read_text())["models"]
CARTPOLE = Spec(Box((4,)), Discrete(2))
PENDULUM = Spec(Box((3,)), Box((1,), -2.0, 2.0))
UNEVEN = Spec(Box((3,), -1.0, 1.0), Box((2,), (-1.0, 0.0), (3.0, 0.5)))
PICTURES = Box((40, 36, 2), 0.0, 255.0, "uint8")
SPECS = {
    "ppo_pictures": Spec(PICTURES, Discrete(3)),
    "dqn_pictures": Spec(PICTURES, Discrete(3)),
    "sac_pictures": Spec(PICTURES, UNEVEN.action),
    "ppo_cartpole": CARTPOLE,
    "a2c_cartpole": CARTPOLE,
    "dqn_cartpole": CARTPOLE,
    "sac_pendulum": PENDULUM,
    "td3_uneven": UNEVEN,
    "sac_sde_uneven": UNEVEN,
    "ppo_squashed_uneven": UNEVEN,
    "ppo_gears": Spec(UNEVEN.obs, MultiDiscrete((2, 3))),
    "ppo_goal": Spec(DictSpace.of({"where": Box((2,), -1.0, 1.0), "mode": Discrete(3)}), UNEVEN.action),
}


def model(name: str) -> Path:
    return HERE / f"sb3_{name}.zip"


def told(name: str) -> tuple[Any, dict[str, np.ndarray]]:
    row = TOLD[name]
    obs = row["obs"]
    obs = {k: np.array(v) for k, v in obs.items()} if isinstance(obs, dict) else np.array(obs)
    obs = obs if isinstance(obs, dict) or obs.ndim == 4 else obs.astype(np.float32)
    return obs, {key: np.array(row[key]) for key in ("action", "value", "probabilities", "q") if key in row}


@pytest.mark.parametrize("name", SPECS)
def test_actions_values_and_probabilities_are_the_librarys_own(name: str) -> None:
    policy, (obs, expected) = read_sb3(model(name), SPECS[name]), told(name)
    key = jax.random.key(0)
    action, _, extra = jax.jit(jax.vmap(lambda o: policy(o, (), key)))(obs)
    np.testing.assert_allclose(action, expected["action"], rtol=1e-5, atol=1e-5)
    for known, value in expected.items():
        if known != "action":
            np.testing.assert_allclose(extra[known], value, rtol=1e-5, atol=2e-5)
    assert np.std(np.asarray(extra["latent"])) > 0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Spec(Box((3,)), Discrete(3)), "Box"),
        (Spec(Box((20, 36, 2), 0.0, 255.0, "uint8"), Discrete(3)), "Box"),
        (Spec(Box((40, 36, 3), 0.0, 255.0, "uint8"), Discrete(3)), "Box"),
        (Spec(PICTURES, Discrete(4)), "gives 3"),
    ],
)
def test_pictures_of_another_place_are_refused(spec: Spec, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        read_sb3(model("ppo_pictures"), spec)


def test_every_kind_of_answer_was_compared() -> None:
    kinds = {name: set(told(name)[1]) for name in SPECS}
    assert kinds["ppo_cartpole"] == {"action", "value", "probabilities"} and kinds["dqn_cartpole"] == {"action", "q"}
    assert kinds["sac_pendulum"] == kinds["td3_uneven"] == {"action", "value"}


def test_gradients_are_those_of_small_differences() -> None:
    policy = read_sb3(model("sac_pendulum"), PENDULUM)
    obs = jnp.asarray(told("sac_pendulum")[0][3])

    def torque(obs: Any) -> Any:
        return policy(obs, (), jax.random.key(0))[0][0]

    slope = jax.grad(torque)(obs)
    for i in range(3):
        step = 1e-2 * jnp.eye(3)[i]
        assert slope[i] == pytest.approx(float(torque(obs + step) - torque(obs - step)) / 2e-2, rel=0.05, abs=2e-2)


@pytest.mark.parametrize(("name", "env"), [("ppo_cartpole", "CartPole-v1"), ("sac_pendulum", "Pendulum-v1")])
def test_held_out_episodes_pay_what_the_librarys_own_loop_was_paid(name: str, env: str) -> None:
    place = environment_source(env)
    found = evaluate_policy(read_sb3(model(name), place.spec, place=env), place, episodes=5, name=name)
    np.testing.assert_allclose(found.returns, TOLD[name]["returns"], rtol=2e-2)
    assert found.notes == ()


def test_choices_respond_with_their_probabilities() -> None:
    obs, expected = told("ppo_cartpole")
    respond = responses_of(read_sb3(model("ppo_cartpole"), CARTPOLE), CARTPOLE)
    np.testing.assert_allclose(respond(obs), expected["probabilities"], atol=1e-5)


class TestNormalised:
    """PPO with VecNormalize (a tight clip of 1.5, so that clipping is seen)."""

    path = HERE / "sb3_vecnormalize.pkl"

    def test_statistics_are_read_with_trust_only_and_the_message_says_why(self) -> None:
        with pytest.raises(PolicyError, match="is a pickle.*may run anything.*--trust.*np.savez"):
            read_statistics(self.path, PENDULUM)
        found, row = read_statistics(self.path, PENDULUM, trust=True), TOLD["ppo_normalised"]
        np.testing.assert_allclose(found.mean, row["mean"], rtol=1e-12)
        np.testing.assert_allclose(found.var, row["var"], rtol=1e-12)
        assert (found.epsilon, found.clip) == (row["epsilon"], row["clip"])

    @pytest.mark.parametrize("kind", ["pkl", "npz"])
    def test_actions_are_the_librarys_on_observations_that_it_standardised(self, kind: str, tmp_path: Path) -> None:
        row, path = TOLD["ppo_normalised"], self.path
        if kind == "npz":
            path = tmp_path / "stats.npz"
            np.savez(path, mean=row["mean"], var=row["var"], epsilon=row["epsilon"], clip=row["clip"])
        statistics = read_statistics(path, PENDULUM, trust=kind == "pkl")
        policy = standardised(read_sb3(model("ppo_normalised"), PENDULUM), statistics, PENDULUM)
        obs, expected = told("ppo_normalised")
        action, _, extra = jax.vmap(lambda o: policy(o, (), jax.random.key(0)))(obs)
        np.testing.assert_allclose(action, expected["action"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(extra["value"], expected["value"], rtol=1e-5, atol=1e-5)
        # The clip takes part: without it, or without the statistics, actions are others.
        raw = jax.vmap(lambda o: policy.policy(o, (), jax.random.key(0))[0])(obs)
        assert np.abs(raw - expected["action"]).max() > 0.01
        assert (np.abs((obs - statistics.mean) / statistics.std) > 1.5).any()

    def test_returns_are_the_librarys(self) -> None:
        place = environment_source("Pendulum-v1")
        statistics = read_statistics(self.path, place.spec, trust=True)
        policy = standardised(read_sb3(model("ppo_normalised"), place.spec), statistics, place.spec)
        found = evaluate_policy(policy, place, episodes=5)
        np.testing.assert_allclose(found.returns, TOLD["ppo_normalised"]["returns"], rtol=2e-2)

    def test_a_pickle_that_would_run_something_runs_nothing(self, tmp_path: Path) -> None:
        class Runs:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "ran",))

        path = tmp_path / "evil.pkl"
        path.write_bytes(pickle.dumps(Runs()))
        with pytest.raises(PolicyError, match="holds no statistics"):
            read_statistics(path, PENDULUM, trust=True)
        assert not (tmp_path / "ran").exists()

    def test_statistics_that_do_not_fit_or_are_damaged_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SpaceError, match=r"shape \(3,\)"):
            read_statistics(self.path, CARTPOLE, trust=True)
        path = tmp_path / "stats.npz"
        np.savez(path, mean=np.zeros(3), var=-np.ones(3))
        with pytest.raises(PolicyError, match="not above 0"):
            read_statistics(path, PENDULUM)
        np.savez(path, mean=np.zeros(3))
        with pytest.raises(PolicyError, match="no .npz with `mean` and `var`"):
            read_statistics(path, PENDULUM)
        path.write_bytes(self.path.read_bytes()[:80])
        with pytest.raises(PolicyError, match="holds no statistics"):
            read_statistics(path, PENDULUM, trust=True)
        with pytest.raises(PolicyError, match="cannot be read"):
            read_statistics(tmp_path / "none.pkl", PENDULUM)


def repacked(path: Path, out: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            given = members.get(name.replace(".", "_"))
            new.writestr(name, old.read(name) if given is None else given)
    return out


def state_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)


def saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


class TestRefusals:
    def test_classes_of_its_own_need_trust_and_the_message_says_why(self) -> None:
        with pytest.raises(NotBuiltIn, match="class 'Doubled'.*a pickle may run anything.*--trust"):
            read_sb3(model("ppo_custom"), UNEVEN)

    def test_trust_opens_them_with_the_library_or_says_what_to_install(self) -> None:
        try:
            import stable_baselines3  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError:
            with pytest.raises(PolicyError, match="pip install stable-baselines3"):
                read_sb3(model("ppo_custom"), UNEVEN, trust=True)

    @pytest.mark.parametrize(
        ("name", "spec", "says"),
        [
            ("ppo_cartpole", PENDULUM, r"observation space Box\[4\]; there has Box\[3\]"),
            (
                "ppo_cartpole",
                Spec(Box((4,)), Discrete(3)),
                "takes 4 numbers and gives 2; there shows 4 and takes 3 choices",
            ),
            ("sac_pendulum", Spec(Box((3,)), Discrete(2)), "action space Box.*; there has Discrete"),
            ("sac_pendulum", Spec(Box((3,)), Box((1,), -1.0, 1.0)), r"low is \[-2.0\]; in there it is \[-1.0\]"),
            ("ppo_goal", UNEVEN, "observation space Dict; there has Box"),
        ],
    )
    def test_another_place_is_said_to_be_another(self, name: str, spec: Spec, says: str) -> None:
        with pytest.raises(SpaceError, match=says) as refused:
            read_sb3(model(name), spec, place="there")
        assert "\n" not in str(refused.value)

    def test_a_file_that_is_cut_off_anywhere_is_refused(self, tmp_path: Path) -> None:
        content, cut = model("ppo_cartpole").read_bytes(), tmp_path / "cut.zip"
        for length in (0, 10, len(content) // 2, len(content) - 3):
            cut.write_bytes(content[:length])
            with pytest.raises(PolicyError, match="cannot be read as a zip"):
                read_sb3(cut, CARTPOLE)

    def test_a_byte_that_turned_is_noticed(self, tmp_path: Path) -> None:
        content, path = bytearray(model("ppo_cartpole").read_bytes()), tmp_path / "turned.zip"
        with zipfile.ZipFile(model("ppo_cartpole")) as archive:
            info = archive.getinfo("policy.pth")
        content[info.header_offset + 60] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(PolicyError):
            read_sb3(path, CARTPOLE)

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path) -> None:
        bomb = repacked(model("ppo_cartpole"), tmp_path / "bomb.zip", data=b" " * 2**25)
        with pytest.raises(PolicyError, match="data unpacks from .* no policy does"):
            read_sb3(bomb, CARTPOLE)
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", b"\0" * 2**25)
        hidden = tmp_path / "hidden.zip"
        with zipfile.ZipFile(model("ppo_cartpole")) as old, zipfile.ZipFile(hidden, "w") as new:
            new.writestr("data", old.read("data"))
            new.writestr("policy.pth", inner.getvalue())
        with pytest.raises(PolicyError, match="a tensor unpacks"):
            read_sb3(hidden, CARTPOLE)

    def test_pickles_where_json_or_tensors_are_expected_run_nothing(self, tmp_path: Path) -> None:
        class Runs:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "ran",))

        evil = pickle.dumps(Runs())
        path = repacked(model("ppo_cartpole"), tmp_path / "evil.zip", data=evil)
        with pytest.raises(PolicyError, match="data is not JSON"):
            read_sb3(path, CARTPOLE, trust=True)
        for content in (evil, saved({"action_net.weight": Runs()})):
            path = repacked(model("ppo_cartpole"), tmp_path / "evil.zip", policy_pth=content)
            with pytest.raises(PolicyError, match="policy.pth"):
                read_sb3(path, CARTPOLE, trust=True)
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("data", [b"[]", b"{", b"[" * 100_000, b"\xff"])
    def test_data_of_other_forms_are_refused(self, data: bytes, tmp_path: Path) -> None:
        with pytest.raises(PolicyError, match="data is"):
            read_sb3(repacked(model("ppo_cartpole"), tmp_path / "other.zip", data=data), CARTPOLE)

    def test_states_that_do_not_hang_together_are_refused(self, tmp_path: Path) -> None:
        source, path = model("ppo_cartpole"), tmp_path / "state.zip"
        state = state_of(source)
        wide = {**state, "mlp_extractor.policy_net.2.weight": torch.zeros(8, 9)}
        with pytest.raises(PolicyError, match="8 units is followed by one that takes 9"):
            read_sb3(repacked(source, path, policy_pth=saved(wide)), CARTPOLE)
        lost = {name: value for name, value in state.items() if name != "action_net.bias"}
        with pytest.raises(PolicyError, match="action_net is no linear layer"):
            read_sb3(repacked(source, path, policy_pth=saved(lost)), CARTPOLE)
        pictures = {**state, "features_extractor.cnn.0.weight": torch.zeros(2)}
        with pytest.raises(SpaceError, match="sees pictures, and the place shows none"):
            read_sb3(repacked(source, path, policy_pth=saved(pictures)), CARTPOLE)
        for other in ({"a": torch.zeros(2)}, [1, 2], {"a": 3}):
            with pytest.raises(PolicyError, match="no known form|no state"):
                read_sb3(repacked(source, path, policy_pth=saved(other)), CARTPOLE)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights", "")
        with pytest.raises(PolicyError, match="no Stable-Baselines3 model: it lacks"):
            read_sb3(path, CARTPOLE)
