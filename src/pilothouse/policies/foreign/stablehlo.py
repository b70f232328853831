"""StableHLO programs that `pilothouse export --to stablehlo` wrote (`jax.export`), as policies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import DictSpace, Spec
from pilothouse.policies.foreign.outputs import acted
from pilothouse.policies.host import HostPolicy, brief
from pilothouse.policies.policy import Carry, Extra

Program = Callable[[dict[str, Any]], dict[str, Any]]


def read_program(path: Path) -> Program:
    """The function that a file holds: `{input: array} -> {output: array}`, compiled once for each number of rows.

    Raises `PolicyError` for a file that is damaged or holds another kind of function.
    """
    try:
        exported = jax.export.deserialize(bytearray(path.read_bytes()))
        tree = jax.tree.unflatten(exported.in_tree, exported.in_avals)
        if len(tree[0]) != 1 or not isinstance(tree[0][0], dict):
            raise ValueError("another kind of function")
    except Exception as fault:  # what a damaged file raises may be anything
        raise PolicyError(
            f"{path} is no program that jax.export wrote ({type(fault).__name__}: {brief(fault)})."
        ) from fault
    call = jax.jit(exported.call)

    def run(inputs: dict[str, Any]) -> dict[str, Any]:
        return call({name: jnp.asarray(value) for name, value in inputs.items()})

    run.inputs = {name: aval for name, aval in tree[0][0].items()}  # pyright: ignore[reportFunctionMemberAccess]
    return run


def read_stablehlo(path: Path, spec: Spec, *, place: str = "the place") -> "ProgramPolicy":
    """The policy of an exported program, for a place of this spec. Raises `SpaceError` where it does not fit."""
    program = read_program(path)
    spaces = spec.obs.spaces if isinstance(spec.obs, DictSpace) else {"obs": spec.obs}
    takes = {name: tuple(aval.shape[1:]) for name, aval in program.inputs.items()}  # pyright: ignore[reportFunctionMemberAccess]
    shows = {name: tuple(inner.shape) for name, inner in spaces.items()}  # pyright: ignore[reportAttributeAccessIssue]
    if takes != shows:
        raise SpaceError(f"{path} takes observations of {takes}; {place} shows {shows}. Use it where it was learned.")
    return ProgramPolicy(program, spec, path.name)


class ProgramPolicy(HostPolicy):
    """An exported program that is asked on the host."""

    def __init__(self, program: Program, spec: Spec, name: str):
        self.program, self.spec, self.name = program, spec, name

    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        found = self.program(obs if isinstance(self.spec.obs, DictSpace) else {"obs": obs})
        outputs = {name.removeprefix("action/"): np.asarray(value) for name, value in found.items()}
        action, extra = acted(self.name, self.spec.action, outputs, len(jax.tree.leaves(obs)[0]))
        return action, carry, extra
