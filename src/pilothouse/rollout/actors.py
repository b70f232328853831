"""One face for acting with any policy, ours or from elsewhere: for episodes on the host, and for many observations.

Ours are compiled once for each number of copies; a `HostPolicy` is asked as it is.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Space, Spec
from pilothouse.policies.distribution_at import probabilities_at
from pilothouse.policies.host import HostPolicy, checked_actions, choices_in, decide
from pilothouse.policies.policy import Policy
from pilothouse.rollout.collect import act, fresh_carries

SLOW = 0.5
"""Seconds a decision from which on a policy is said to be slow."""

MOST = 4096
"""Observations that `responses_of` hands a policy at a time."""

Responses = Callable[[Float[np.ndarray, "rows features"]], Float[np.ndarray, "rows outputs"]]
"""Flat observations to flat responses, row by row."""


@dataclass
class Conduct:
    """What was noticed while a policy acted: actions decided and clipped to their bounds, and how long decisions took.

    `seconds` leaves out the first decision, which compiles or loads; `slowest` is the longest of the others.
    """

    steps: int = 0
    actions: int = 0
    clipped: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def add(self, other: "Conduct") -> None:
        """What was noticed later. The first decision of each is left out of the mean, as one compiles or loads."""
        if other.steps:
            self.seconds += other.seconds
            self.steps += other.steps if not self.steps else other.steps - 1
        self.actions, self.clipped = self.actions + other.actions, self.clipped + other.clipped
        self.slowest = max(self.slowest, other.slowest)

    def notes(self, name: str) -> list[str]:
        """What a reader of the numbers should know, a line each; empty where all was as it should be."""
        found = []
        if self.clipped:
            share = self.clipped / max(self.actions, 1)
            found.append(
                f"{self.clipped} of {self.actions} actions of {name} ({share:.1%}) lay beyond the bounds and were clipped."
            )
        if self.steps > 1 and (mean := self.seconds / (self.steps - 1)) > SLOW:
            found.append(f"{name} takes {mean:.1f} s to decide (at most {self.slowest:.1f} s).")
        return found


class HostActor:
    """`(obs, carry, step) -> (action, carry)` on NumPy arrays with a leading axis of copies; `carry` is None at first.

    What it notices is in `conduct`. `on_slow`, if set, is called once with the seconds of the second decision (the first
    compiles or loads), where they are many: so that nobody waits without a word.
    """

    def __init__(self, answer: Callable[[PyTree, PyTree, int], tuple[PyTree, PyTree, int]], copies: int):
        self.answer, self.copies, self.conduct = answer, copies, Conduct()
        self.on_slow: Callable[[float], None] | None = None

    def __call__(self, obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
        began = time.perf_counter()
        action, carry, clipped = self.answer(obs, carry, step)
        took, conduct = time.perf_counter() - began, self.conduct
        if conduct.steps:
            conduct.seconds += took
            conduct.slowest = max(conduct.slowest, took)
            if conduct.steps == 1 and took > SLOW and self.on_slow is not None:
                self.on_slow(took)
        conduct.steps += 1
        conduct.actions += self.copies
        conduct.clipped += clipped
        return action, carry


def actor_of(policy: Policy | HostPolicy, *, copies: int, seed: int) -> HostActor:
    """How this policy acts in `copies` episodes on the host; `seed` is that of all it draws.

    Raises `PolicyError`, when acting, for what no place takes: a wrong shape, NaN, a choice that does not exist.
    """
    if isinstance(policy, HostPolicy):

        def ask(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree, int]:
            carry = policy.begin(copies, seed) if carry is None else carry
            decision = decide(policy, obs, carry, _step_seed(seed, step), copies)
            return decision.action, decision.carry, decision.clipped

        return HostActor(ask, copies)

    key, spec = jax.random.key(seed), getattr(policy, "spec", None)
    name = getattr(policy, "name", "The policy")

    def run(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree, int]:
        carry = _begin(policy, key, copies) if carry is None else carry
        action, carry = _act(policy, obs, carry, key, np.int32(step))
        action = jax.tree.map(np.asarray, action)
        if not all(x.dtype.kind != "f" or np.isfinite(x).all() for x in jax.tree.leaves(action)):
            raise PolicyError(f"{name} gave NaN or infinity at step {step}; expected finite actions.")
        if spec is None:
            return action, carry, 0
        action, clipped = checked_actions(name, spec.action, action, copies)
        return action, carry, clipped

    return HostActor(run, copies)


def responses_of(policy: Policy | HostPolicy, space: Spec, *, seed: int = 0) -> Responses:
    """How a memoryless policy responds to many flat observations: `(rows, features) -> (rows, outputs)`, float64.

    The response is the action, flat, where actions are boxes, and the probabilities of the choices where they are
    discrete (those of several joined), or a one-hot of the choice where no probabilities are known. `space` is the spec
    of the place. Every row is given the same draw, so that equal observations have equal responses.

    Raises `SpaceError` for Dict observations or actions, and where a row has another number of features.
    """
    spec, seen = space, space.obs
    if isinstance(seen, DictSpace) or isinstance(spec.action, DictSpace):
        raise SpaceError(f"Responses are flat; {seen.kind} observations with {spec.action.kind} actions are not.")
    host = isinstance(policy, HostPolicy)

    def respond(rows: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows outputs"]:
        rows = np.asarray(rows)
        if rows.ndim != 2 or rows.shape[1] != seen.size:
            raise SpaceError(f"Observations of shape {rows.shape}; expected (rows, {seen.size}).")
        obs = observations_from(seen, rows)
        blocks = [obs[at : at + MOST] for at in range(0, len(obs), MOST)] or [obs]
        return np.concatenate([asked(block) if host else traced(block) for block in blocks])

    def asked(obs: np.ndarray) -> np.ndarray:
        copies = len(obs)
        if not copies:
            return np.zeros((0, spec.action.size))
        decision = decide(policy, obs, policy.begin(copies, seed), seed, copies)  # pyright: ignore
        known = decision.extra.get("probabilities")
        if choices_in(spec.action) and known is not None:
            known = np.asarray(known, np.float64)
            if known.shape != (copies, spec.action.size) or not np.isfinite(known).all():
                raise PolicyError(
                    f"{policy.name} gave probabilities of shape {known.shape}; "  # pyright: ignore
                    f"expected finite ones of shape {(copies, spec.action.size)}."
                )
            return known
        return flat_response(spec.action, decision.action)

    def traced(obs: np.ndarray) -> np.ndarray:
        # One program serves all numbers of rows up to the next power of two.
        rows = len(obs)
        wide = max(16, 1 << max(rows - 1, 0).bit_length())
        padded = np.zeros((wide, *obs.shape[1:]), obs.dtype)
        padded[:rows] = obs
        action, known = _respond(policy, padded, jax.random.key(seed))
        if choices_in(spec.action) and known is not None:
            return np.asarray(known, np.float64)[:rows]
        name = getattr(policy, "name", "The policy")
        return flat_response(spec.action, checked_actions(name, spec.action, np.asarray(action)[:rows], rows)[0])

    return respond


def observations_from(space: Space, rows: Float[np.ndarray, "rows features"]) -> np.ndarray:
    """Flat rows as observations of a Box, or as choices: of each one-hot stretch the place of its highest number."""
    if isinstance(space, Box):
        return rows.reshape(len(rows), *space.shape).astype(space.dtype)
    assert not isinstance(space, DictSpace)  # `responses_of` refuses it
    parts = np.split(rows, np.cumsum(choices_in(space))[:-1], axis=1)
    choices = np.stack([part.argmax(axis=1) for part in parts], axis=1)
    return choices.reshape(len(rows), *space.shape).astype(space.dtype)


def flat_response(space: Space, action: np.ndarray) -> Float[np.ndarray, "rows outputs"]:
    """Actions as rows of numbers: boxes flat, choices as one-hots (those of several joined)."""
    if isinstance(space, Box):
        return np.asarray(action, np.float64).reshape(len(action), space.size)
    parts = np.asarray(action).reshape(len(action), -1).T
    return np.concatenate([np.eye(n)[part] for n, part in zip(choices_in(space), parts, strict=True)], axis=1)


def _step_seed(seed: int, step: int) -> int:
    """A seed for a step, unrelated to those of its neighbours."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0] >> 1)


@jax.jit
def _act(policy: Policy, obs: PyTree, carry: PyTree, key: Array, step: Array) -> tuple[PyTree, PyTree]:
    action, carry, _ = act(policy, obs, carry, jax.random.fold_in(key, step), each=False)
    return action, carry


@jax.jit
def _respond(policy: Policy, obs: Array, key: Array) -> tuple[Array, Array | None]:
    def one(obs: Array) -> tuple[Any, Array | None]:
        action, _, extra = policy(obs, policy.reset(None, (), key), key)
        known = extra.get("probabilities")
        return action, probabilities_at(policy, obs) if known is None else known

    return jax.vmap(one)(jnp.asarray(obs))


@partial(jax.jit, static_argnums=2)
def _begin(policy: Policy, key: Array, copies: int) -> PyTree:
    return fresh_carries(policy, (), copies, key, each=False)
