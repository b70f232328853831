"""torch files as policies: TorchScript, a state with a builder, or (trusted) a whole module."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import MissingExtraError, PolicyError
from pilothouse.core.spaces import DictSpace, Spec
from pilothouse.policies.foreign.archive import NotOnlyTensors, read_tensors
from pilothouse.policies.foreign.modules import named_in_module
from pilothouse.policies.foreign.outputs import acted
from pilothouse.policies.host import HostPolicy, brief
from pilothouse.policies.policy import Carry, Extra

NESTED = ("state_dict", "model_state_dict", "model", "policy", "actor", "actor_state_dict", "policy_state_dict")
"""Names under which training scripts keep the state of a policy beside other things."""


def read_torch(path: Path, spec: Spec, *, builder: str | None = None, trust: bool = False) -> "TorchPolicy":
    """The policy of a `.pt` or `.pth` file: `module(obs)` with a leading axis of copies gives the action.

    TorchScript is opened as it is: a program for torch's own interpreter, which runs no Python but has operators that
    read and write files, so it deserves as much trust as any program. A state of tensors needs `builder`, `module:function`, which makes the module (given
    the spec, if it takes an argument). A file that holds a whole module is a pickle, opened only with `trust`.
    `pilothouse.policies.foreign.outputs` says what outputs mean.

    Raises `PolicyError` for a file that is damaged or does not fit its builder, `UnknownNameError` for a builder that
    is not there, `MissingExtraError` without torch.
    """
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise MissingExtraError(f"Reading {path}", "torch") from missing
    if is_script(path):
        try:
            return TorchPolicy(torch.jit.load(str(path), map_location="cpu"), spec, path.name)
        except Exception as fault:
            raise PolicyError(f"{path} is no TorchScript that torch opens ({brief(fault)}).") from fault
    try:
        state = read_tensors(path, path)
    except NotOnlyTensors as fault:
        if not trust:
            raise PolicyError(
                f"{fault} Opening those may run anything. Give --trust if you trust its maker; or save the state "
                "(torch.save(module.state_dict(), ...)) and name what builds the module with --builder module:function."
            ) from fault
        return TorchPolicy(_whole(path), spec, path.name)
    if builder is None:
        raise PolicyError(f"{path} holds tensors only. Name what builds the module: --builder module:function.")
    return TorchPolicy(_filled(path, _built(builder, spec), state), spec, path.name)


def is_script(path: Path) -> bool:
    """Whether a file is TorchScript: a zip with code in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _whole(path: Path) -> Any:
    """The module that a pickle holds. Only where the user said `--trust`: opening it runs whatever its maker put there."""
    import torch

    try:
        # A whole module is code by nature, and torch has no other way to open one; `read_torch` has asked for trust.
        found = torch.load(path, "cpu", weights_only=False)
    except Exception as fault:
        raise PolicyError(f"{path} cannot be opened by torch ({type(fault).__name__}: {brief(fault)}).") from fault
    if not isinstance(found, torch.nn.Module):
        raise PolicyError(f"{path} holds one {type(found).__name__}; expected a torch module.")
    return found


def _built(builder: str, spec: Spec) -> Any:
    import inspect

    import torch

    make = named_in_module("--builder", builder)
    try:
        parameters = inspect.signature(make).parameters.values()
        wants = [each for each in parameters if each.default is each.empty and each.kind in (0, 1)]
        module = make(spec) if wants else make()
    except Exception as fault:
        raise PolicyError(f"--builder {builder} raised {type(fault).__name__}: {brief(fault)}") from fault
    if not isinstance(module, torch.nn.Module):
        raise PolicyError(f"--builder {builder} gave one {type(module).__name__}; expected a torch module.")
    return module


def _filled(path: Path, module: Any, state: Any) -> Any:
    if not isinstance(state, Mapping):
        raise PolicyError(f"{path} holds one {type(state).__name__}; expected tensors by name, as state_dict() gives.")
    inner = [state[name] for name in NESTED if isinstance(state.get(name), Mapping)]
    state = inner[0] if inner and not all(hasattr(value, "shape") for value in state.values()) else state
    try:
        module.load_state_dict(state)
    except Exception as fault:
        raise PolicyError(f"{path} does not fit the module of --builder ({brief(fault)}).") from fault
    return module


class TorchPolicy(HostPolicy):
    """A torch module that is asked without gradients: one tensor of observations, or a dict of them."""

    def __init__(self, module: Any, spec: Spec, name: str):
        module.train(False)  # no dropout, and running statistics of normalisation as they were learned
        self.module, self.spec, self.name = module, spec, name
        self.double = any(str(each.dtype) == "torch.float64" for each in module.parameters())

    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        import torch

        copies = len(jax.tree.leaves(obs)[0])
        torch.manual_seed(seed)
        with torch.no_grad():
            given = jax.tree.map(lambda x: self._tensor(np.asarray(x)), obs)
            found = self.module(given)
        action, extra = acted(self.name, self.spec.action, self._named(found), copies)
        return action, carry, extra

    def _tensor(self, x: np.ndarray) -> Any:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(x))
        return (tensor.double() if self.double else tensor.float()) if tensor.is_floating_point() else tensor

    def _named(self, found: Any) -> dict[str, np.ndarray]:
        """Outputs by name: a dict as it is; of a tuple the first is the action."""
        if isinstance(found, Mapping):
            return {str(name): _array(value) for name, value in found.items() if hasattr(value, "detach")}
        if isinstance(found, tuple | list):
            found = found[0] if found else None
        if not hasattr(found, "detach"):
            raise PolicyError(f"{self.name} gave one {type(found).__name__}; expected a tensor, or a dict of them.")
        if isinstance(self.spec.action, DictSpace):
            raise PolicyError(f"{self.name} gave one tensor; expected a dict of {sorted(self.spec.action.spaces)}.")
        return {"action": _array(found)}


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy()
