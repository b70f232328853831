"""Policies from elsewhere: `HostPolicy` acts on the host, on NumPy arrays, and is asked no more than that.

A torch module, an ONNX session or a Python function cannot be traced, so these policies act for many copies at once
outside compiled programs. What they give is checked where it comes in (`decide`): a wrong shape, a NaN, or a choice
that does not exist is one `PolicyError` that names the policy, what it gave and what was expected.
"""

import abc
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import PilothouseError, PolicyError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec, checked_value
from pilothouse.policies.policy import Carry, Extra


class HostPolicy(abc.ABC):
    """Base of policies that act on NumPy arrays: a `Policy` without `jit`, and many copies at a time.

    `spec` is in the units of the place, `name` is what messages call it.
    """

    spec: Spec
    name: str

    def begin(self, copies: int, seed: int) -> Carry:
        """What `copies` episodes that begin now remember; `()` for a policy without memory."""
        del copies, seed
        return ()

    @abc.abstractmethod
    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        """Actions for observations that both have a leading axis of copies: `(action, carry, extra)`.

        `seed` is another at every step, for policies that draw. `extra` may hold `probabilities (copies, choices)`,
        `value (copies,)` and `latent (copies, units)`.
        """

    def reset(self, carry: Carry | None, task: PyTree, key: Any) -> Carry:
        """The carry of one episode, as the `Policy` protocol has it."""
        del carry, task
        return self.begin(1, seed_of(key))

    def __call__(self, obs: PyTree, carry: Carry, key: Any) -> tuple[PyTree, Carry, Extra]:
        """One action for one observation, as the `Policy` protocol has it."""
        wide = jax.tree.map(lambda x: np.asarray(x)[None], obs)
        decision = decide(self, wide, carry, seed_of(key), 1)
        return jax.tree.map(lambda x: x[0], decision.action), decision.carry, _first(decision.extra)

    def act(self, obs: PyTree, carry: Carry | None = None, *, seed: int | None = None) -> tuple[PyTree, Carry]:
        """One action for one observation, NumPy in and out: `(action, carry)`. Pass the carry back next time.

        Raises `SpaceError` for an observation that is not as `spec.obs` says, `PolicyError` where the policy fails.
        """
        obs = checked_value("The observation", self.spec.obs, obs)
        seed = 0 if seed is None else seed
        carry = self.begin(1, seed) if carry is None else carry
        decision = decide(self, jax.tree.map(lambda x: np.asarray(x)[None], obs), carry, seed, 1)
        return jax.tree.map(lambda x: x[0], decision.action), decision.carry


class Decision(NamedTuple):
    """What a host policy decided for every copy, checked; `clipped` counts the actions beyond the bounds of a box."""

    action: PyTree
    carry: Carry
    extra: Extra
    clipped: int


def decide(policy: HostPolicy, obs: PyTree, carry: Carry, seed: int, copies: int) -> Decision:
    """Ask a host policy, and check what it gives. Raises `PolicyError` in one line for all that it can do wrong."""
    try:
        given = policy.act_many(obs, carry, seed)
    except PilothouseError:
        raise
    except Exception as fault:
        raise PolicyError(f"{policy.name} raised {type(fault).__name__} while acting: {brief(fault)}") from fault
    if not isinstance(given, tuple) or len(given) != 3:
        raise PolicyError(f"{policy.name} gave {_kind(given)}; expected (action, carry, extra).")
    action, carry, extra = given
    action, clipped = checked_actions(policy.name, policy.spec.action, action, copies)
    return Decision(action, carry, extra, clipped)


def checked_actions(name: str, space: Space, action: PyTree, copies: int) -> tuple[PyTree, int]:
    """Actions of `copies` as arrays of the space's dtype, boxes clipped to their bounds, and how many were clipped.

    Raises `PolicyError` for a wrong structure, kind or shape, for NaN or infinity, and for a choice out of range.
    """
    if isinstance(space, DictSpace):
        if not isinstance(action, dict) or set(action) != set(space.spaces):
            given = f"a dict of {sorted(map(str, action))}" if isinstance(action, dict) else _kind(action)
            raise PolicyError(f"{name} gave {given} as action; expected a dict of {sorted(space.spaces)}.")
        parts = {key: checked_actions(f"{name} [{key}]", inner, action[key], copies) for key, inner in space.items}
        return {key: part for key, (part, _) in parts.items()}, max((count for _, count in parts.values()), default=0)
    try:
        array = np.asarray(action)
    except ValueError:  # rows of unequal length
        array = np.asarray(None)
    whole = np.issubdtype(space.dtype, np.integer)
    if array.dtype.kind not in ("iu" if whole else "iuf"):
        given = _kind(action) if array.dtype.kind == "O" else f"numbers of {array.dtype}"
        raise PolicyError(f"{name} gave {given} as action; expected {'whole ' if whole else ''}numbers.")
    if array.shape != (copies, *space.shape):
        raise PolicyError(
            f"{name} gave actions of shape {array.shape} for {copies} observation{'s' if copies != 1 else ''}; "
            f"expected {(copies, *space.shape)}."
        )
    if (
        array.dtype.kind == "f"
        and not (finite := np.isfinite(array).reshape(copies, math.prod(space.shape)).all(axis=1)).all()
    ):
        raise PolicyError(
            f"{name} gave NaN or infinity in {int((~finite).sum())} of {copies} actions; expected finite numbers."
        )
    if isinstance(space, Box):
        return _clipped(space, array, copies)
    last = np.asarray(space.nvec if isinstance(space, MultiDiscrete) else space.size) - 1
    if ((array < 0) | (array > last)).any():
        wrong = array[((array < 0) | (array > last)).reshape(copies, math.prod(space.shape)).any(axis=1)][0]
        raise PolicyError(f"{name} gave the action {wrong.tolist()}; expected choices from 0 to {last.tolist()}.")
    return array.astype(space.dtype), 0


def _clipped(space: Box, array: np.ndarray, copies: int) -> tuple[np.ndarray, int]:
    low, high = space.bounds()
    inside = np.clip(array, low, high).astype(space.dtype)
    # Rounding at the bound is nobody's fault: float32 knows about seven figures.
    beyond = np.abs(array.astype(np.float64) - inside) > 1e-5 * np.maximum(np.abs(inside), 1.0)
    return inside, int(beyond.reshape(copies, space.size).any(axis=1).sum())


def choices_in(space: Space) -> tuple[int, ...]:
    """The numbers of choices of a discrete action, one for each; empty for boxes."""
    match space:
        case Discrete():
            return (space.n,)
        case MultiDiscrete():
            return space.nvec
        case _:
            return ()


def seed_of(key: Any) -> int:
    """A seed for the host, drawn from a JAX key."""
    return int(jax.random.bits(key, dtype=np.uint32)) >> 1


def brief(value: Any) -> str:
    """At most 160 characters on one line: what another library says may be anything."""
    text = " ".join(str(value).split())
    return text if len(text) <= 160 else f"{text[:157]}..."


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"one {type(value).__name__}"


def _first(extra: Extra) -> Extra:
    return {name: jax.tree.map(lambda x: np.asarray(x)[0], value) for name, value in extra.items()}
