"""What physics is it: recorded actions are replayed under many constants, and those that lead where it led are kept.

Records are cut into short windows, each begun where the record was, so that what a small error of the constants does to
a whole episode does not hide what they are.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pilothouse.core.errors import DataError, SettingError
from pilothouse.data.dataset import Dataset
from pilothouse.worlds.uncertain import UncertaintySet
from pilothouse.worlds.world import World

_BODIES = {
    "Pendulum": lambda obs: np.stack([np.arctan2(obs[..., 1], obs[..., 0]), obs[..., 2]], axis=-1),
    "SparsePendulum": lambda obs: np.stack([np.arctan2(obs[..., 1], obs[..., 0]), obs[..., 2]], axis=-1),
    "Acrobot": lambda obs: np.stack(
        [np.arctan2(obs[..., 1], obs[..., 0]), np.arctan2(obs[..., 3], obs[..., 2]), obs[..., 4], obs[..., 5]], axis=-1
    ),
    "CartPole": lambda obs: obs,
    "MountainCarContinuous": lambda obs: obs,
    "SparseMountainCar": lambda obs: obs,
}
"""For each world that shows its whole state, the body that an observation is of: what its tasks call `start`."""


@dataclass(frozen=True)
class Identified:
    """`constants`: those kept; `error`: root mean squared distance of replay and record, observations in standard
    deviations of the record; `nominal_error`: with the world's own constants; `windows`: how many were replayed."""

    constants: dict[str, float]
    error: float
    nominal_error: float
    windows: int


def identify(
    world: World,
    dataset: Dataset,
    within: UncertaintySet,
    *,
    window: int = 20,
    rounds: int = 8,
    candidates: int = 64,
    seed: int = 0,
) -> Identified:
    """The constants of a JAX world, within a set, under which the recorded actions lead where they were recorded to lead.

    A first round of candidates is spread over the set; each later one is drawn about the best eighth of all before it, as
    wide as they lie apart.

    **Raises:** `DataError` for a record with no steps; `SettingError` for a world whose state observations do not show.

    **Source:** Li et al., arXiv:2405.05941, section IV-A, where controller gains are annealed; the search here is the
    cross-entropy method (Rubinstein, 1999).
    """
    kind = type(world).__name__
    if kind not in _BODIES:
        raise SettingError(f"{kind} does not show its whole state; expected one of {', '.join(sorted(_BODIES))}.")
    names = [name for name, _, _ in within.ranges]
    low, high = (np.array([row[i] for row in within.ranges]) for i in (1, 2))
    if not len(dataset):
        raise DataError(f"{dataset.name}: no steps were recorded, so nothing can be replayed.")
    first, steps = windows_of(dataset.starts, dataset.lengths, window)
    scale = np.maximum(np.asarray(dataset.obs, np.float64).std(axis=0), 1e-3)
    replay = partial(
        _replayed,
        world,
        tuple(names),
        jnp.asarray(_BODIES[kind](np.asarray(dataset.obs)[first]), jnp.float32),
        jnp.asarray(np.asarray(dataset.action)[steps]),
        jnp.asarray(np.asarray(dataset.next_obs)[steps], jnp.float32),
        jnp.asarray(scale, jnp.float32),
    )
    generator = np.random.default_rng(seed)
    tried, errors = np.zeros((0, len(names))), np.zeros(0)
    drawn = generator.uniform(low, high, (candidates, len(names)))
    for _ in range(rounds):
        tried = np.concatenate([tried, drawn])
        errors = np.concatenate(
            [errors, np.nan_to_num(np.asarray(replay(jnp.asarray(drawn, jnp.float32))), nan=np.inf)]
        )
        best = tried[np.argsort(errors)[: max(2, candidates // 8)]]
        drawn = np.clip(generator.normal(best.mean(0), best.std(0) + 1e-9, drawn.shape), low, high)
    own = np.array([[getattr(world, name) for name in names]])
    nominal = replay(jnp.asarray(np.broadcast_to(own, drawn.shape), jnp.float32))
    chosen = int(errors.argmin())
    constants = {name: float(value) for name, value in zip(names, tried[chosen], strict=True)}
    return Identified(constants, float(errors[chosen]), float(nominal[0]), len(first))


@partial(jax.jit, static_argnums=(0, 1))
def _replayed(
    world: Any, names: tuple[str, ...], start: Array, action: Array, seen: Array, scale: Array, drawn: Array
) -> Float[Array, " candidate"]:
    """How far each candidate's replay ends up from the record, over all windows, steps and entries."""
    key = jax.random.key(0)

    def one(values: Array) -> Array:
        constants = {name: values[i] for i, name in enumerate(names)}

        def of_window(start: Array, action: Array) -> Array:
            state, _ = world.reset({**constants, "start": start}, key)

            def step(state: Any, action: Array) -> Any:
                state, outcome = world.step(state, action, key)
                return state, outcome.next_obs

            return jax.lax.scan(step, state, action)[1]

        return jnp.sqrt(jnp.square((jax.vmap(of_window)(start, action) - seen) / scale).mean())

    return jax.vmap(one)(drawn)


def windows_of(
    starts: Int[np.ndarray, " episode"], lengths: Int[np.ndarray, " episode"], most: int
) -> tuple[Int[np.ndarray, " window"], Int[np.ndarray, "window step"]]:
    """The first row of each window, and the rows of all; as long as said, or as the longest episode.

    One after the other from each episode's start; what is too short for one is left out.
    """
    length = min(most, int(lengths.max()))
    first = np.concatenate(
        [start + np.arange(0, count - length + 1, length) for start, count in zip(starts, lengths, strict=True)]
    )
    return first, first[:, None] + np.arange(length)
