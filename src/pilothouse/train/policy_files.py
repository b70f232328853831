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
from pilothouse.core.spaces import Spec, from_json, to_json
from pilothouse.policies.policy import Carry, Extra, Policy
from pilothouse.train.checkpoint import latest
from pilothouse.train.evaluation import in_source_units
from pilothouse.train.sources import Scaling
from pilothouse.train.storage import StagedFolder, arrays_from_bytes, arrays_to_bytes, read_checked, read_json

FORMAT = 1


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

    def reset(self, carry: Carry | None, task: PyTree, key: Any) -> Carry:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: PyTree, carry: Carry, key: Any) -> tuple[PyTree, Carry, Extra]:
        return self.policy(obs, carry, key)

    def act(self, obs: PyTree, carry: Carry | None = None, *, seed: int | None = None) -> tuple[PyTree, Carry]:
        """One action for one observation, NumPy in and out: `(action, carry)`. Pass the carry back next time.

        `seed` matters for policies that draw; the likeliest action needs none.
        """
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
        found = sorted((root / "policy").glob("seed-*"), key=lambda p: int(p.name.split("-")[1]))
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
    manifest = read_json(folder / "manifest.json", "policy manifest")
    if not isinstance(manifest, dict) or manifest.get("kind") != "policy":
        raise CheckpointError(f"{folder} is not a policy of pilothouse. Give a run folder or a policy folder.")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise CheckpointError(
            f"{folder} has policy format {manifest.get('format')}; this version reads up to {FORMAT}. Upgrade pilothouse."
        )
    arrays = arrays_from_bytes(read_checked(folder, "policy.safetensors", manifest), folder / "policy.safetensors")
    try:
        spec = Spec(from_json(manifest["spec"]["obs"]), from_json(manifest["spec"]["action"]))
        bound = load_recipe(manifest["recipe"])(**manifest["settings"])
        scaling = Scaling(
            *(None if v is None else tuple(v) for v in (manifest["scaling"]["mean"], manifest["scaling"]["std"]))
        )
        stack = int(manifest.get("stack", 1))
        algorithm = bound.build(spec.unit())
        shapes = jax.eval_shape(lambda key: init_parts(algorithm, key), jax.random.key(0))
        parts = _fill({name: shapes[name] for name in manifest["parts"]}, arrays, folder)
    except (KeyError, TypeError, AttributeError) as fault:
        raise CheckpointError(f"The manifest of {folder} lacks or garbles {fault}. Save the policy again.") from fault
    except PilothouseError as fault:
        if isinstance(fault, CheckpointError):
            raise
        raise CheckpointError(f"The policy {folder} cannot be rebuilt: {fault}") from fault
    return SavedPolicy(in_source_units(algorithm.acts(parts), spec, scaling), spec, bound.name, stack)


def _fill(shapes: dict[str, Any], arrays: Mapping[str, np.ndarray], folder: Path) -> dict[str, PyTree]:
    leaves = []
    for name, want in trees.named_leaves(shapes).items():
        array = arrays.get(name)
        if array is None or tuple(array.shape) != tuple(want.shape) or array.dtype != want.dtype:
            raise CheckpointError(f"{folder} does not fit its recipe: {name} should be {want.dtype}{list(want.shape)}.")
        leaves.append(jnp.asarray(array))
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)
