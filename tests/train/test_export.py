"""Exports answer as the policy does, whatever the number of rows; what cannot be a fixed function is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import OutputError, PolicyError, SettingError, UnknownNameError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.networks.actors import Actor, ActorAndValue, DeterministicActor, SquashedGaussianActor
from pilothouse.policies.actor_critic import ModeOfAgent, RecurrentMode
from pilothouse.policies.draws import draws
from pilothouse.policies.foreign.onnx_file import read_onnx
from pilothouse.policies.foreign.stable_baselines3 import ACTIVATIONS
from pilothouse.policies.foreign.stablehlo import read_stablehlo
from pilothouse.policies.host import decide
from pilothouse.policies.policy import Memoryless, Mode, Random, Sampled
from pilothouse.policies.scaling import Scaled
from pilothouse.rollout.actors import actor_of, responses_of
from pilothouse.train import export
from pilothouse.train.export import export_policy

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
KEY = jax.random.key(0)
BOX = Spec(Box((3,)), Box((2,), (-1.0, -2.0), (1.0, 4.0)))
CHOICE = Spec(Box((2, 2)), Discrete(3))
SEVERAL = Spec(Discrete(4), MultiDiscrete((2, 3)))
NAMED = Spec(
    DictSpace.of({"where": Box((2,)), "mode": Discrete(3), MASK: Box((2,), 0.0, 1.0, "int8")}),
    DictSpace.of({"arm": Box((1,), -1.0, 3.0), "gear": Discrete(2)}),
)
SIZE = {"width": 8, "depth": 1, "key": KEY}
POLICIES: dict[str, tuple[Spec, Callable[[], Any]]] = {
    "gaussian, standardised": (
        BOX,
        lambda: Scaled(Mode(Actor(BOX.unit(), layer_norm=True, **SIZE)), BOX, np.ones(3), np.full(3, 2.0)),
    ),
    "squashed": (BOX, lambda: Scaled(Mode(SquashedGaussianActor(BOX.unit(), **SIZE)), BOX)),
    "deterministic": (BOX, lambda: Scaled(Mode(DeterministicActor(BOX.unit(), **SIZE)), BOX)),
    "choice of a table": (CHOICE, lambda: Scaled(Mode(Actor(CHOICE, **SIZE)), CHOICE)),
    "agent with several choices": (SEVERAL, lambda: Scaled(ModeOfAgent(ActorAndValue(SEVERAL, **SIZE)), SEVERAL)),
    "named and masked": (NAMED, lambda: Scaled(Mode(Actor(NAMED.unit(), **SIZE)), NAMED)),
}


def seen(spec: Spec, rows: int) -> Any:
    return jax.tree.map(np.asarray, jax.vmap(spec.obs.sample)(jax.random.split(jax.random.key(1), rows)))


@pytest.mark.parametrize("name", POLICIES)
def test_exports_act_as_the_policy_when_they_are_opened_again(name: str, tmp_path: Path) -> None:
    spec, make = POLICIES[name]
    policy = make()
    obs = seen(spec, 7)
    expected, _ = actor_of(policy, copies=7, seed=0)(obs, None, 0)
    for to, read in (("onnx", read_onnx), ("stablehlo", read_stablehlo)):
        out = tmp_path / f"policy.{to}"
        done = export_policy(policy, spec, to=to, out=out)
        assert done["worst"] <= 1e-5 and done["bytes"] == out.stat().st_size
        assert b"/src/" not in out.read_bytes() and b".py" not in out.read_bytes()  # no path of this machine
        again = read(out, spec)
        found = decide(again, obs, (), 0, 7).action
        for ours, theirs in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
        if spec is CHOICE:
            flat = obs.reshape(7, -1)
            np.testing.assert_allclose(responses_of(again, spec)(flat), responses_of(policy, spec)(flat), atol=1e-5)


class Computes(Memoryless):
    """Acts by any function of the observation."""

    function: Callable[[Any], Any] = eqx.field(static=True)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return self.function(obs), carry, {}


KERNEL = np.random.default_rng(0).normal(size=(3, 3, 1, 2)).astype(np.float32)


def pictures(x: Any) -> Any:
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x.reshape(1, 2, 3, 1), KERNEL, (1, 2), "SAME", dimension_numbers=layout).ravel()


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "slices": lambda x: jnp.concatenate([x[1:5:2], x[::-1][:2], jnp.stack([x[0], x[3]])]),
    "reductions": lambda x: jnp.stack([x.sum(), x.max(), x.min(), jnp.prod(x), x.mean(), x.std()]),
    "products": lambda x: (x.reshape(2, 3) @ x.reshape(3, 2)).ravel() + jnp.einsum("ij,kj->i", *[x.reshape(2, 3)] * 2).sum(),
    "choices": lambda x: jnp.where(x > 0.5, x**2, jnp.where((x < 0) | (x != x), -x, x**3)) + jnp.argmax(x) - jnp.argmin(x),
    "roots and logs": lambda x: jnp.log1p(jnp.abs(x)) + jnp.expm1(x / 9) + jax.lax.rsqrt(1 + x * x) + jnp.sqrt(jnp.abs(x)),
    "waves": lambda x: jnp.sin(x) * jnp.cos(x) + jnp.floor(x) - jnp.ceil(2 * x) + jnp.sign(x) * jnp.fmod(x, 0.7),
    "one-hots": lambda x: jax.nn.one_hot(jnp.argmax(x), 4) @ jnp.arange(8.0).reshape(4, 2) + jnp.clip(x[:2], -1, 0.3),
    "sums along": lambda x: jnp.cumsum(x) + jnp.pad(x, (1, 2))[:6] + jnp.any(x > 0) + jnp.all(x > -9) + x[np.array([3, 0, 0, 1, 5, 2])],
    "pictures": pictures,
    "softmax": lambda x: jax.nn.softmax(x) * jax.nn.log_softmax(x) + jax.nn.logsumexp(x),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_computed_by_onnx_as_by_jax(name: str, tmp_path: Path) -> None:
    function = OPERATIONS[name]
    spec = Spec(Box((6,)), Box(jax.eval_shape(function, jnp.zeros(6)).shape))
    assert export_policy(Computes(function), spec, to="onnx", out=tmp_path / "p.onnx")["worst"] <= 1e-5


def test_activations_of_torch_are_computed_by_onnx_too(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        return jnp.concatenate([activation(x) for activation in ACTIVATIONS.values()])

    spec = Spec(Box((6,)), Box((6 * len(ACTIVATIONS),)))
    export_policy(Computes(function), spec, to="onnx", out=tmp_path / "p.onnx")


def test_activations_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.linspace(-7, 7, 57, dtype=np.float32)
    found = jax.jit(lambda x: {name: activation(x) for name, activation in ACTIVATIONS.items()})(x)
    for name, ours in found.items():
        theirs = getattr(torch.nn, name)()(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=name)


def looping(x: Any) -> Any:
    return jax.lax.scan(lambda c, y: (c + y, c * y), jnp.zeros(()), x)[1]


class TestRefusals:
    def refused(self, policy: Any, says: str, tmp_path: Path, to: str = "onnx", spec: Spec = BOX) -> None:
        out = tmp_path / "p"
        with pytest.raises(PolicyError, match=says) as refused:
            export_policy(policy, spec, to=to, out=out)
        assert "\n" not in str(refused.value) and not out.exists()

    @pytest.mark.parametrize("to", ["onnx", "stablehlo"])
    def test_policies_that_draw_or_remember_are_no_fixed_function(self, to: str, tmp_path: Path) -> None:
        self.refused(Random(BOX.action), "draws at random", tmp_path, to)
        self.refused(Scaled(Sampled(Actor(BOX.unit(), **SIZE)), BOX), "draws at random", tmp_path, to)

        class Recurrent(eqx.Module):
            def initial_carry(self) -> Any:
                return jnp.zeros(2)

        self.refused(RecurrentMode(Recurrent()), "remembers between steps", tmp_path, to)

    def test_operations_without_a_counterpart_are_named_and_stablehlo_has_them(self, tmp_path: Path) -> None:
        spec = Spec(Box((3,)), Box((3,)))
        self.refused(Computes(looping), "computes 'scan'.*--to stablehlo", tmp_path, spec=spec)
        export_policy(Computes(looping), spec, to="stablehlo", out=tmp_path / "p")

    def test_an_export_that_answers_otherwise_is_removed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "_reader", lambda *_: lambda inputs: {"action": inputs["obs"][:, :2] * 1.001})
        self.refused(Computes(lambda x: x[:2]), "does not answer as the policy does: off by", tmp_path)

    def test_formats_and_places_that_are_not_there(self, tmp_path: Path) -> None:
        policy = Computes(lambda x: x[:2])
        with pytest.raises(UnknownNameError, match="onnx"):
            export_policy(policy, BOX, to="onx", out=tmp_path / "p")
        (tmp_path / "taken.onnx").write_text("")
        with pytest.raises(OutputError, match="exists already"):
            export_policy(policy, BOX, to="onnx", out=tmp_path / "taken.onnx")
        with pytest.raises(SettingError, match="came from elsewhere"):
            export_policy(policy, BOX, to="safetensors", out=tmp_path / "p")

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 400])
    def test_programs_that_are_damaged_are_refused(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "p.stablehlo"
        path.write_bytes(content)
        with pytest.raises(PolicyError, match="no program that jax.export wrote") as refused:
            read_stablehlo(path, BOX)
        assert "\n" not in str(refused.value)


def test_drawing_is_read_off_the_program() -> None:
    assert draws(Random(BOX.action), BOX) and draws(Sampled(Actor(BOX.unit(), **SIZE)), BOX)
    assert not draws(Mode(Actor(BOX.unit(), **SIZE)), BOX)

    class Ignores(Memoryless):
        """Draws, for a value that it remembers, but does not act on it."""

        def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
            return obs[:2], carry, {"noise": jax.random.normal(key)}

    assert not draws(Ignores(), BOX)
