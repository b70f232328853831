"""What a policy observes, disturbed on its way: noise, lost readings, stale readings, a move that someone chose.

Each disturbance goes around an `Actor` (rollout/episodes.py), so any policy can be put through it, whoever made it.
At level 0 nothing changes, to the last bit. Draws depend on the seed, the step and the copy, never on the level: the
same bad luck, more of it.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from pilothouse.core.spaces import MASK, Box, DictSpace, Space, Spec
from pilothouse.rollout.episodes import Actor

Spread = Mapping[str, np.ndarray]
"""The deviation of every real entry of an observation, by the entry's name in a Dict; "" where there is one box."""


class Disturbed(NamedTuple):
    """What disturbances need to know of a place: its spaces, the spread of what it shows, and the seed of their draws."""

    spec: Spec
    spread: Spread
    seed: int

    def draws(self, name: str, step: int) -> np.random.Generator:
        """The random numbers of the disturbance called `name` at this step."""
        return np.random.default_rng((self.seed, zlib.crc32(name.encode()), step))


def real_boxes(space: Space) -> dict[str, Box]:
    """The boxes of an observation that a disturbance may touch: neither choices nor masks."""
    named = space.spaces if isinstance(space, DictSpace) else {"": space}
    return {name: inner for name, inner in named.items() if isinstance(inner, Box) and name != MASK}


def changed(space: Space, obs: PyTree, change: Callable[[str, np.ndarray], np.ndarray]) -> PyTree:
    """The observations with `change(name, values)` in place of every real box; whole numbers stay whole and in bounds."""
    real = real_boxes(space)
    if isinstance(space, DictSpace):
        return {name: _like(real[name], change(name, x), x) if name in real else x for name, x in obs.items()}
    return _like(real[""], change("", obs), obs) if real else obs


def spread_of(space: Space, seen: list[PyTree]) -> dict[str, np.ndarray]:
    """The deviation of each real entry over what was seen, each item with a leading axis of copies."""
    found = {}
    for name, box in real_boxes(space).items():
        rows = np.concatenate([np.asarray(obs[name] if name else obs, np.float64) for obs in seen])
        found[name] = rows.std(axis=0).reshape(box.shape)
    return found


def noisy_observations(actor: Actor, level: float, here: Disturbed) -> Actor:
    """Normal noise on every reading, of `level` times its own spread."""

    def act(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
        draws = here.draws("observation noise", step)
        return actor(
            changed(here.spec.obs, obs, lambda n, x: x + level * here.spread[n] * draws.standard_normal(x.shape)),
            carry,
            step,
        )

    return act


def dropped_readings(actor: Actor, level: float, here: Disturbed) -> Actor:
    """Every reading is lost at each step with probability `level`, and reads 0."""

    def act(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
        draws = here.draws("dropped sensors", step)
        return actor(
            changed(here.spec.obs, obs, lambda _, x: np.where(draws.random(x.shape) < level, 0, x)), carry, step
        )

    return act


def frozen_readings(actor: Actor, level: float, here: Disturbed) -> Actor:
    """Every reading is stuck at each step with probability `level`: it shows what it showed the step before."""

    def act(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
        inner, last = (None, obs) if carry is None else carry
        draws = here.draws("frozen sensors", step)

        def stuck(name: str, x: np.ndarray) -> np.ndarray:
            return np.where(draws.random(x.shape) < level, last[name] if name else last, x)

        shown = changed(here.spec.obs, obs, stuck)
        action, inner = actor(shown, inner, step)
        return action, (inner, shown)

    return act


Mover = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""`(obs, radius, draws) -> moved`, both flat: `[copy, entry]`, `[entry]`; every entry stays within its radius."""


def moved_observations(mover: Mover, name: str) -> Callable[[Actor, float, Disturbed], Actor]:
    """An adversary that moves each observation by at most `level` times the spread of every entry."""

    def around(actor: Actor, level: float, here: Disturbed) -> Actor:
        radius = level * here.spread[""].reshape(-1)

        def act(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
            flat = obs.reshape(len(obs), -1)
            moved = mover(flat, radius.astype(flat.dtype), here.draws(name, step))
            return actor(np.asarray(moved, obs.dtype).reshape(obs.shape), carry, step)

        return act

    return around


def _like(box: Box, values: np.ndarray, old: Any) -> np.ndarray:
    """The values in the type that the observation had."""
    kind = np.asarray(old).dtype
    if np.issubdtype(kind, np.integer):
        low, high = (
            np.nan_to_num(bound, posinf=np.iinfo(kind).max, neginf=np.iinfo(kind).min) for bound in box.bounds()
        )
        values = np.clip(np.rint(values), low, high)
    return np.asarray(values).astype(kind)
