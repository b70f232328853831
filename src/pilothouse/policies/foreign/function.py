"""Any callable as a policy: a function of one observation, or a class whose instances are such functions with memory."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import PolicyError
from pilothouse.core.spaces import DictSpace, Space, Spec
from pilothouse.policies.foreign.modules import named_in_module
from pilothouse.policies.host import HostPolicy, brief
from pilothouse.policies.policy import Carry, Extra, Policy


def function_policy(given: str, spec: Spec) -> Policy | HostPolicy:
    """The policy `module:name` names: a function `(obs) -> action`, a class of such functions, or a policy of ours.

    A function or method that also takes `seed` is given one at every step. An attribute `batched = True` says that it
    takes and gives a leading axis of copies. Of a class, every episode has an instance of its own, made without
    arguments; a class of `HostPolicy` is made with the spec if it takes one.

    Raises `UnknownNameError` for what is not there, `PolicyError` for what cannot be called with an observation.
    """
    found = named_in_module("POLICY", given)
    if isinstance(found, type) and issubclass(found, HostPolicy):
        found = _made(given, found, spec)
    if isinstance(found, HostPolicy) or (isinstance(found, eqx.Module) and isinstance(found, Policy)):
        return found  # pyright: ignore[reportReturnType]
    if not callable(found):
        raise PolicyError(
            f"{given} is {type(found).__name__}; expected a function (obs) -> action, or a class of such."
        )
    return ObjectPolicy(found, spec, given) if isinstance(found, type) else FunctionPolicy(found, spec, given)


def _made(given: str, kind: type, spec: Spec) -> Any:
    try:
        return kind(spec) if _takes(kind, 1) else kind()
    except Exception as fault:
        raise PolicyError(f"{given} cannot be made ({type(fault).__name__}: {brief(fault)}).") from fault


class FunctionPolicy(HostPolicy):
    """A function without memory, asked once for every copy, or once for all if it is `batched`."""

    def __init__(self, function: Callable[..., Any], spec: Spec, name: str):
        _check_takes_obs(function, name)
        self.function, self.spec, self.name = function, spec, name
        self.seeded, self.batched = _takes_seed(function), bool(getattr(function, "batched", False))

    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        if self.batched:
            return _call(self.function, obs, seed, self.seeded), carry, {}
        copies = len(jax.tree.leaves(obs)[0])
        rows = [_call(self.function, row_of(obs, i), seed + i, self.seeded) for i in range(copies)]
        return stacked(self.name, self.spec.action, rows), carry, {}


class ObjectPolicy(HostPolicy):
    """A class of functions with memory: the carry is a list of its instances, one for each copy."""

    def __init__(self, kind: type, spec: Spec, name: str):
        self.kind, self.spec, self.name = kind, spec, name
        first = self._make()
        if not callable(first):
            raise PolicyError(f"Objects of {name} cannot be called; expected __call__(self, obs).")
        _check_takes_obs(first, name)
        self.seeded = _takes_seed(first)

    def _make(self) -> Any:
        try:
            return self.kind()
        except Exception as fault:
            raise PolicyError(f"{self.name} cannot be made without arguments ({brief(fault)}).") from fault

    def begin(self, copies: int, seed: int) -> Carry:
        return [self._make() for _ in range(copies)]

    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        rows = [_call(one, row_of(obs, i), seed + i, self.seeded) for i, one in enumerate(carry)]
        return stacked(self.name, self.spec.action, rows), carry, {}


def row_of(obs: PyTree, index: int) -> PyTree:
    """One copy's observation, as arrays of its own: a function may write into what it is given."""
    return jax.tree.map(lambda x: np.array(x[index]), obs)


def stacked(name: str, space: Space, rows: list[Any]) -> PyTree:
    """Actions of every copy as one array (or dict of arrays). Raises `PolicyError` where a row has another shape."""
    if isinstance(space, DictSpace):
        for row in rows:
            if not isinstance(row, dict) or set(row) != set(space.spaces):
                given = f"a dict of {sorted(map(str, row))}" if isinstance(row, dict) else f"one {type(row).__name__}"
                raise PolicyError(f"{name} gave {given} as action; expected a dict of {sorted(space.spaces)}.")
        return {key: stacked(f"{name} [{key}]", inner, [row[key] for row in rows]) for key, inner in space.items}
    arrays = []
    for row in rows:
        try:
            array = np.asarray(row)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "iuf":
            given = "nothing" if row is None else f"one {type(row).__name__}"
            raise PolicyError(f"{name} gave {given} as action; expected numbers of shape {space.shape}.")
        if (
            array.shape != space.shape
            and not (array.size == 1 and space.size == 1)
            and not (array.size == 1 and space.shape == ())
        ):
            raise PolicyError(f"{name} gave an action of shape {array.shape}; expected {space.shape}.")
        arrays.append(array.reshape(space.shape))
    return np.stack(arrays)


def _call(function: Callable[..., Any], obs: PyTree, seed: int, seeded: bool) -> Any:
    return function(obs, seed=seed) if seeded else function(obs)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C, say
        return None


def _takes(function: Callable[..., Any], positional: int) -> bool:
    found = _parameters(function)
    if found is None:
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return len([each for each in found if each.kind in kinds]) >= positional


def _takes_seed(function: Callable[..., Any]) -> bool:
    return any(each.name == "seed" for each in _parameters(function) or [])


def _check_takes_obs(function: Callable[..., Any], name: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, **({"seed": 0} if "seed" in signature.parameters else {}))
    except TypeError as fault:
        raise PolicyError(
            f"{name} cannot be called with one observation ({brief(fault)}); expected (obs) -> action, or (obs, seed)."
        ) from fault
