"""Policies of ours (and traceable ones from elsewhere) written for other programs: ONNX, StableHLO, safetensors.

What is written is read back and compared with the policy before the export is said to be done.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import OutputError, PolicyError, SettingError, unknown
from pilothouse.core.spaces import Box, DictSpace, Space, Spec
from pilothouse.policies.distribution_at import probabilities_at
from pilothouse.policies.draws import draws
from pilothouse.policies.host import HostPolicy, choices_in
from pilothouse.train.policy_files import load, policy_folder

FORMATS = ("onnx", "stablehlo", "safetensors")
TOLERANCE = 1e-5
"""How far a number that is read back may be off, times the larger of 1 and its size."""
ROWS = 64
"""Observations on which an export is compared."""

Outputs = dict[str, Any]


def export_policy(policy: Any, spec: Spec, *, to: str, out: Path, source: Path | None = None) -> dict[str, Any]:
    """Write `policy` as `to` (`onnx`, `stablehlo` or `safetensors`) and compare what was written with it.

    ONNX and StableHLO hold one function: observations with a leading axis of any length (one input, `obs`, or one for
    each entry of a Dict) to `action`, in the units of the environment, and where known `probabilities` and `value`.
    Safetensors are a folder as runs hold them, which `pilothouse.load` opens; for that `source` is where the policy
    came from.

    **Returns** `{to, out, bytes, compared, worst}`: the observations compared, and how far the worst number was off.

    **Raises** `PolicyError` for a policy that cannot be written so (it remembers, draws, or is not traceable) or whose
    export does not answer alike; `OutputError` for a path that is taken; `MissingExtraError` without onnx.
    """
    if to not in FORMATS:
        raise unknown("format", to, FORMATS)
    if out.exists():
        raise OutputError(f"{out} exists already; name another with --out.")
    if to == "safetensors":
        return _copied(policy, spec, source, out)
    act = acting_function(policy, spec)
    name = getattr(policy, "name", "policy")
    written = (_onnx if to == "onnx" else _stablehlo)(act, spec, name)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        out.write_bytes(written)
        worst = _compared(act, _reader(to, out, spec), spec, out)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return {"to": to, "out": str(out), "bytes": len(written), "compared": ROWS, "worst": worst}


def acting_function(policy: Any, spec: Spec) -> Callable[..., Outputs]:
    """`(**inputs) -> {action, …}` over a leading axis of rows, for a policy without memory that does not draw.

    Raises `PolicyError` for any other.
    """
    if isinstance(policy, HostPolicy):
        raise PolicyError(
            f"{policy.name} cannot be traced: it is another library's program already. Use its own export."
        )
    if jax.tree.leaves(jax.eval_shape(lambda key: policy.reset(None, (), key), jax.random.key(0))):
        raise PolicyError(
            "The policy remembers between steps; only those without memory are exported. Use safetensors."
        )
    if draws(policy, spec):
        raise PolicyError("The policy draws at random, so no fixed function acts as it does. Use safetensors.")

    def one(obs: PyTree) -> Outputs:
        action, _, extra = policy(obs, (), jax.random.key(0))
        found = (
            {f"action/{name}": part for name, part in action.items()}
            if isinstance(action, Mapping)
            else {"action": action}
        )
        if choices_in(spec.action):
            known = extra.get("probabilities", probabilities_at(policy, obs))
            found |= {} if known is None else {"probabilities": known}
        return found | ({"value": extra["value"]} if "value" in extra else {})

    def act(**inputs: Any) -> Outputs:
        return jax.vmap(one)(inputs if isinstance(spec.obs, DictSpace) else inputs["obs"])

    return act


def inputs_of(space: Space) -> dict[str, jax.ShapeDtypeStruct]:
    """The inputs of an export, for one row."""
    if isinstance(space, DictSpace):
        if any(isinstance(inner, DictSpace) for _, inner in space.items):
            raise PolicyError("Observations are a Dict of Dicts, which is not exported. Use safetensors.")
        return {name: inputs_of(inner)["obs"] for name, inner in space.items}
    return {"obs": jax.ShapeDtypeStruct(space.shape, np.dtype(space.dtype))}


def _onnx(act: Callable[..., Outputs], spec: Spec, name: str) -> bytes:
    from pilothouse.policies.onnx_graph import onnx_graph

    return onnx_graph(act, inputs_of(spec.obs), Path(name).name).SerializeToString()


def _stablehlo(act: Callable[..., Outputs], spec: Spec, name: str) -> bytes:
    del name
    (rows,) = jax.export.symbolic_shape("batch")
    given = {key: jax.ShapeDtypeStruct((rows, *one.shape), one.dtype) for key, one in inputs_of(spec.obs).items()}
    program = jax.jit(lambda inputs: act(**inputs))
    with _nameless():
        exported = jax.export.export(program, platforms=("cpu", "cuda", "tpu"))(given)
        # The first derivative is kept too, so that what reads it may ask for gradients.
        return bytes(exported.serialize(vjp_order=1))


@contextmanager
def _nameless() -> Iterator[None]:
    """Programs that are lowered within name no file of this machine."""
    without = {"jax_hlo_source_file_canonicalization_regex": ".*", "jax_traceback_in_locations_limit": 0}
    before = {name: getattr(jax.config, name) for name in without}
    for name, value in without.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _reader(to: str, path: Path, spec: Spec) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    if to == "onnx":
        from pilothouse.policies.foreign.onnx_file import read_onnx

        session = read_onnx(path, spec, place="the policy's own place").session
        names = [each.name for each in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))
    from pilothouse.policies.foreign.stablehlo import read_program

    program = read_program(path)
    return lambda inputs: {name: np.asarray(value) for name, value in program(inputs).items()}


def _compared(act: Callable[..., Outputs], read: Callable[..., Mapping[str, Any]], spec: Spec, out: Path) -> float:
    """How far the worst number of an export is off. Raises `PolicyError` beyond the tolerance."""
    inputs = _observations(spec.obs)
    ours = {name: np.asarray(value) for name, value in jax.jit(lambda given: act(**given))(inputs).items()}
    theirs, worst = read(inputs), 0.0
    few = read({name: value[:1] for name, value in inputs.items()})
    for name, expected in ours.items():
        found = np.asarray(theirs[name])
        apart = np.abs(found.astype(np.float64) - expected) / np.maximum(np.abs(expected), 1.0)
        worst = max(worst, float(apart.max()))
        alone = np.abs(np.asarray(few[name], np.float64) - expected[:1]) / np.maximum(np.abs(expected[:1]), 1.0)
        worst = max(worst, float(alone.max()))
    if not worst <= TOLERANCE:
        raise PolicyError(
            f"{out} does not answer as the policy does: off by {worst:.1e}, more than {TOLERANCE:.0e}. Removed."
        )
    return worst


def _observations(space: Space) -> dict[str, np.ndarray]:
    keys = jax.random.split(jax.random.key(0), ROWS)
    drawn = jax.tree.map(np.asarray, jax.vmap(_bounded(space).sample)(keys))
    return drawn if isinstance(space, DictSpace) else {"obs": drawn}


def _bounded(space: Space) -> Space:
    """Boxes with bounds that are finite, but so wide that nothing is drawn between them, are drawn from [-3, 3]."""
    if isinstance(space, DictSpace):
        return DictSpace(tuple((name, _bounded(inner)) for name, inner in space.items))
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.floating):
        low, high = space.bounds()
        low, high = np.maximum(low, -3.0), np.minimum(high, 3.0)
        return Box(space.shape, tuple(low.ravel().tolist()), tuple(high.ravel().tolist()), space.dtype)
    return space


def _copied(policy: Any, spec: Spec, source: Path | None, out: Path) -> dict[str, Any]:
    if source is None or not source.is_dir():
        raise SettingError(
            "Safetensors are written of a run or policy folder of ours; this policy came from elsewhere."
        )
    folder = policy_folder(source)
    staged = out.with_name(f".{out.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        for name in ("policy.safetensors", "manifest.json"):
            shutil.copyfile(folder / name, staged / name)
        again = load(staged)
        same = jax.tree.map(np.array_equal, jax.tree.leaves(again), jax.tree.leaves(policy))
        if not all(same) or again.spec != spec:
            raise PolicyError(f"{out} does not read back as the policy that was written.")
        staged.rename(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    size = sum(path.stat().st_size for path in out.iterdir())
    return {"to": "safetensors", "out": str(out), "bytes": size, "compared": 0, "worst": 0.0}
