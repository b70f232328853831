"""Saved policies: self-contained folders with the parts that acting reads, the spec, and the scaling.

policy/seed-<s>/policy.safetensors   the arrays
                manifest.json        recipe, settings, spec, scaling, checksums
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from pilothouse.algorithm.interpreter import init_parts
from pilothouse.algorithm.recipe import Bound
from pilothouse.algorithm.registry import load_recipe
from pilothouse.algorithm.steps import Algorithm
from pilothouse.core import trees
from pilothouse.core.errors import CheckpointError, PilothouseError
from pilothouse.core.spaces import Box, DictSpace, Space, Spec, checked_value, from_json, to_json
from pilothouse.policies.policy import Carry, Extra, Policy
from pilothouse.train.checkpoint import latest
from pilothouse.train.evaluation import in_source_units
from pilothouse.train.sources import Scaling
from pilothouse.train.storage import StagedFolder, arrays_from_bytes, arrays_to_bytes, read_checked, read_json

FORMAT = 1
LARGEST = 2**26
"""Entries of one observation or action at most: a manifest that asks for more is garbled."""
GARBLED = (KeyError, IndexError, TypeError, AttributeError, ValueError, ArithmeticError, MemoryError, RecursionError)
"""What rebuilding from a foreign manifest may run into."""


class _Watched(Mapping[str, Any]):
    """Parts that note which names are read."""

    def __init__(self, parts: Mapping[str, Any]):
        self.parts, self.read = parts, set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def read_by_acting(algorithm: Algorithm, parts: Mapping[str, PyTree]) -> list[str]:
    """The names of the parts that the acting policy is made of."""
    watched = _Watched(parts)
    algorithm.acts(watched)
    return sorted(watched.read)


def save_policy(
    folder: Path, bound: Bound, spec: Spec, scaling: Scaling, parts: Mapping[str, PyTree], stack: int = 1
) -> None:
    """Write a policy folder (whole or not at all). `spec` is the source's, in its own units, as the policy sees it."""
    names = read_by_acting(bound.build(spec.unit()), parts)
    kept = {name: parts[name] for name in names}
    staged = StagedFolder(folder)
    try:
        staged.add(
            "policy.safetensors", arrays_to_bytes({k: np.asarray(v) for k, v in trees.named_leaves(kept).items()})
        )
        staged.finish(
            {
                "format": FORMAT,
                "kind": "policy",
                "recipe": bound.name,
                "settings": dict(bound.settings),
                "spec": {"obs": to_json(spec.obs), "action": to_json(spec.action)},
                "scaling": {"mean": scaling.mean, "std": scaling.std},
                "stack": stack,
                "parts": names,
            }
        )
    except BaseException:
        staged.abandon()
        raise


class SavedPolicy(eqx.Module):
    """A policy read from a folder: a `Policy` in the source's own units, with its spec, that also acts on NumPy.

    `stack` is how many observations of its environment it sees together, oldest first; `spec.obs` is of that many.
    """

    policy: Policy
    spec: Spec = eqx.field(static=True)
    recipe: str = eqx.field(static=True)
    stack: int = eqx.field(static=True, default=1)

    @property
    def carried(self) -> Policy:
        """The policy within, which sees what this one sees."""
        return self.policy

    def reset(self, carry: Carry | None, task: PyTree, key: Any) -> Carry:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: PyTree, carry: Carry, key: Any) -> tuple[PyTree, Carry, Extra]:
        return self.policy(obs, carry, key)

    def act(self, obs: PyTree, carry: Carry | None = None, *, seed: int | None = None) -> tuple[PyTree, Carry]:
        """One action for one observation, NumPy in and out: `(action, carry)`. Pass the carry back next time.

        Choices count from 0, as in `spec`, whatever the environment counts them from. `seed` matters for policies that
        draw; the likeliest action needs none. Raises `SpaceError` for an observation that is not as `spec.obs` says.
        """
        obs = checked_value("The observation", self.spec.obs, obs)
        key = jax.random.key(0 if seed is None else seed)
        if carry is None:
            carry = self.policy.reset(None, (), key)
        action, carry = _decide(self.policy, obs, carry, key)
        return jax.tree.map(np.asarray, action), carry


@eqx.filter_jit
def _decide(policy: Policy, obs: PyTree, carry: Carry, key: Any) -> tuple[PyTree, Carry]:
    action, carry, _ = policy(obs, carry, key)
    return action, carry


def policy_folder(path: Path, seed: int | None = None) -> Path:
    """The policy folder meant by a run, a checkpoint or a policy folder. Raises `CheckpointError`."""
    if (path / "policy.safetensors").is_file():
        return path
    for root in (path, path.parent.parent):
        named = [p for p in (root / "policy").glob("seed-*") if p.name.removeprefix("seed-").isdecimal()]
        found = sorted(named, key=lambda p: int(p.name.removeprefix("seed-")))
        if found:
            if seed is None:
                return found[0]
            chosen = root / "policy" / f"seed-{seed}"
            if chosen in found:
                return chosen
            raise CheckpointError(f"{root} has no policy of seed {seed}; it has {', '.join(p.name for p in found)}.")
    if not path.exists():
        raise CheckpointError(f"No such policy: {path}. Give a run folder, a policy folder, or `random`.")
    hint = " The run has not finished; resume it first." if latest(path / "checkpoints") else ""
    raise CheckpointError(f"{path} holds no policy. Give a run folder or a folder policy/seed-<n>.{hint}")


def load(path: str | Path, *, seed: int | None = None) -> SavedPolicy:
    """Load a policy from a run, checkpoint or policy folder. Nothing is unpickled. Raises `CheckpointError`."""
    folder = policy_folder(Path(path), seed)
    manifest = _manifest(folder)
    arrays = arrays_from_bytes(read_checked(folder, "policy.safetensors", manifest), folder / "policy.safetensors")
    try:
        spec = _spec(manifest["spec"])
        bound = load_recipe(manifest["recipe"])(**manifest["settings"])
        scaling, stack = _scaling(manifest["scaling"], spec), _whole("stack", manifest.get("stack", 1))
        algorithm = bound.build(spec.unit())
        shapes = jax.eval_shape(lambda key: init_parts(algorithm, key), jax.random.key(0))
        parts = _fill({name: shapes[name] for name in manifest["parts"]}, arrays, folder)
        policy = in_source_units(algorithm.acts(parts), spec, scaling)
    except CheckpointError:
        raise
    except PilothouseError as fault:
        raise CheckpointError(f"The policy {folder} cannot be rebuilt: {fault}") from fault
    except GARBLED as fault:
        raise CheckpointError(
            f"The manifest of {folder} lacks or garbles something ({type(fault).__name__}: {_brief(fault)}). "
            "Save the policy again."
        ) from fault
    return SavedPolicy(policy, spec, bound.name, stack)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_json(folder / "manifest.json", "policy manifest")
    except RecursionError as fault:
        raise CheckpointError(f"The policy manifest {folder}/manifest.json is nested without end.") from fault
    if not isinstance(manifest, dict) or manifest.get("kind") != "policy":
        raise CheckpointError(f"{folder} is not a policy of pilothouse. Give a run folder or a policy folder.")
    version = manifest.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise CheckpointError(
            f"{folder} has policy format {_brief(version)}; this version reads up to {FORMAT}. Upgrade pilothouse."
        )
    if not isinstance(manifest.get("checksums"), dict):
        raise CheckpointError(f"The manifest of {folder} holds no checksums. Save the policy again.")
    return manifest


def _spec(described: Mapping[str, Any]) -> Spec:
    """The spec, with no box that is not of numbers, whose bounds do not fit, or that is too large to be meant."""
    spec = Spec(from_json(described["obs"]), from_json(described["action"]))
    waiting: list[Space] = [spec.obs, spec.action]
    while waiting:
        space = waiting.pop()
        if isinstance(space, DictSpace):
            waiting += [inner for _, inner in space.items]
        elif isinstance(space, Box):
            # A negative length among the shape could make a small size of large ones.
            if min(space.shape, default=1) < 0 or space.size > LARGEST or np.dtype(space.dtype).kind not in "fiub":
                raise ValueError(f"a box of shape {space.shape} and dtype {space.dtype}")
            space.bounds()
    return spec


def _scaling(given: Mapping[str, Any], spec: Spec) -> Scaling:
    """Mean and deviation, both or neither, one number for each entry of a flat box."""
    mean, std = (None if given[name] is None else np.asarray(given[name], np.float64) for name in ("mean", "std"))
    if mean is None and std is None:
        return Scaling()
    if mean is None or std is None or not (mean.shape == std.shape == getattr(spec.obs, "shape", None)):
        raise ValueError("scaling is not one mean and one deviation for each entry of the observation")
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        raise ValueError("scaling holds a mean that is not finite, or a deviation that is not above 0")
    return Scaling(tuple(mean.tolist()), tuple(std.tolist()))


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{name}={value!r} is no whole number from 1")
    return value


def _brief(value: Any) -> str:
    """At most 120 characters on one line: what stands in a foreign file may be anything."""
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."


def _fill(shapes: dict[str, Any], arrays: Mapping[str, np.ndarray], folder: Path) -> dict[str, PyTree]:
    leaves = []
    for name, want in trees.named_leaves(shapes).items():
        array = arrays.get(name)
        if array is None or tuple(array.shape) != tuple(want.shape) or array.dtype != want.dtype:
            raise CheckpointError(f"{folder} does not fit its recipe: {name} should be {want.dtype}{list(want.shape)}.")
        leaves.append(jnp.asarray(array))
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)
