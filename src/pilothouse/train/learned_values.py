"""What a run learned about values, from its newest checkpoint: for looking at a policy beside what it expects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from pilothouse.algorithm.interpreter import init_parts
from pilothouse.algorithm.registry import load_recipe
from pilothouse.core import trees
from pilothouse.core.errors import PilothouseError
from pilothouse.core.spaces import Spec, to_unit
from pilothouse.networks.actors import ActorAndValue
from pilothouse.networks.critics import EnsembleCritic, EnsembleQNetwork, QNetwork, StateValue
from pilothouse.train.checkpoint import latest, read_manifest
from pilothouse.train.policy_files import policy_folder
from pilothouse.train.sources import Scaling
from pilothouse.train.storage import arrays_from_bytes, read_checked, read_json

Value = Callable[[PyTree, PyTree], Array]
"""`(obs, action) -> scalar`, both in the source's own units: the discounted return that the run expects from there."""

_READERS: dict[type, Callable[[Any, PyTree, PyTree], Array]] = {
    StateValue: lambda part, obs, action: part(obs),
    EnsembleCritic: lambda part, obs, action: part(obs, action).min(),
    QNetwork: lambda part, obs, action: part(obs)[action],
    EnsembleQNetwork: lambda part, obs, action: part(obs)[:, action].min(),
    ActorAndValue: lambda part, obs, action: part(obs)[1],
}


def learned_value(run: Path, spec: Spec, scaling: Scaling, seed: int) -> Value | None:
    """The value that one seed of a run learned; None where it learned none, or where that cannot be read.

    A part `value` is preferred to `critic`, and that to the value of an `agent`; of several members the lowest counts.
    """
    try:
        name, part = _read(run, spec, seed)
    except (PilothouseError, OSError, KeyError, IndexError, ValueError, TypeError):
        return None
    if part is None:
        return None
    read = _READERS[type(part)]
    mean = None if scaling.mean is None else jnp.asarray(scaling.mean, jnp.float32)
    std = None if scaling.std is None else jnp.asarray(scaling.std, jnp.float32)

    def value(obs: PyTree, action: PyTree) -> Array:
        seen = obs if mean is None else (obs - mean) / std
        return read(part, seen, to_unit(spec.action, action))

    return value


def value_of(path: str | Path, spec: Spec, seed: int | None = None) -> Value | None:
    """`learned_value` of a policy named as a run, checkpoint or policy folder; None for any other, or where none is known."""
    try:
        folder = policy_folder(Path(path), seed)
        given = read_json(folder / "manifest.json", "policy manifest")["scaling"]
        lane = int(folder.name.removeprefix("seed-"))
    except (PilothouseError, OSError, KeyError, TypeError, ValueError):
        return None
    scaling = Scaling(*(None if given[name] is None else tuple(given[name]) for name in ("mean", "std")))
    return learned_value(folder.parent.parent, spec, scaling, lane)


def _read(run: Path, spec: Spec, seed: int) -> tuple[str, Any]:
    folder = latest(run / "checkpoints")
    if folder is None:
        return "", None
    config, manifest = read_json(run / "config.json", "run config"), read_manifest(folder)
    algorithm = load_recipe(config["recipe"])(**config["settings"]).build(spec.unit())
    shapes = jax.eval_shape(lambda key: init_parts(algorithm, key), jax.random.key(0))
    name = next((n for n in ("value", "critic", "agent") if type(shapes.get(n)) in _READERS), None)
    if name is None:
        return "", None
    lane = list(manifest["seeds"]).index(seed)
    arrays = arrays_from_bytes(read_checked(folder, "state.safetensors", manifest), folder / "state.safetensors")
    leaves = [np.asarray(arrays[f"parts/{key}"])[lane] for key in trees.named_leaves({name: shapes[name]})]
    return name, jax.tree.unflatten(jax.tree.structure(shapes[name]), [jnp.asarray(leaf) for leaf in leaves])
