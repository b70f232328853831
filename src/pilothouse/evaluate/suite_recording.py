"""Acting for a set of the suite: its rows, piece after piece."""

from typing import Any

import jax
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.suite_sets import Piece, SetPlan
from pilothouse.policies.policy import Policy
from pilothouse.rollout.collect import act, begin, collect
from pilothouse.train.simulators import Simulators
from pilothouse.train.sources import SimulatorSource, WorldSource

COPIES = 8
"""Environments side by side; each records a stream of its own, cut at its end."""


def recorded(plan: SetPlan, size: int) -> Dataset:
    """The dataset of a plan, in memory: piece after piece, in each one stream after the other."""
    counts = [round(size * piece.share) for piece in plan.pieces]
    counts[-1] += size - sum(counts)
    acting = _in_world if isinstance(plan.place, WorldSource) else _in_simulator
    parts, last = [], 0
    for number, (piece, rows) in enumerate(zip(plan.pieces, counts, strict=True)):
        steps = -(-rows // COPIES)
        found = acting(piece, plan.place, steps, seed_of(plan.name) + number)
        flat = jax.tree.map(lambda x, rows=rows: np.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:])[:rows], found)
        parts.append(flat.replace(episode_id=flat.episode_id + last))
        last = int(parts[-1].episode_id.max()) + 1
    joined = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    env_id = plan.place.name if isinstance(plan.place, SimulatorSource) else None
    return dataset_from_transitions(
        joined, plan.place.spec, name=plan.name, env_id=env_id, description=plan.description
    )


def seed_of(name: str) -> int:
    """A seed of its own for every set: the letters of its name, read as a number."""
    return int.from_bytes(name.encode(), "big") % 1_000_003 * 10


def _in_world(piece: Piece, place: Any, steps: int, seed: int) -> Batch:
    world, key, one = place.world, jax.random.key(seed), piece.draw
    draw = None if one is None else lambda key: jax.vmap(one)(jax.random.split(key, COPIES))

    def run(policy: Policy) -> Batch:
        tasks = () if draw is None else draw(jax.random.fold_in(key, 1))
        return collect(policy, world, begin(world, tasks, COPIES, key), "suite", steps, draw, key)[1]

    rows = jax.tree.map(np.asarray, jax.jit(run)(piece.policy))
    return _plain(rows)


def _in_simulator(piece: Piece, place: Any, steps: int, seed: int) -> Batch:
    simulators, key = Simulators(place.make(COPIES), (seed,), COPIES), jax.random.key(seed)
    rows: list[Batch] = []
    try:
        for step in range(steps):
            obs = jax.tree.map(lambda x: x[0], simulators.obs())
            action = np.asarray(_decide(piece.policy, obs, key, np.int32(step)))
            rows.append(_plain(simulators.step(action[None], {})))
    finally:
        simulators.close()
    return jax.tree.map(lambda *x: np.stack([each[0] for each in x]), *rows)


def _plain(rows: Batch) -> Batch:
    names = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "episode_id")
    return Batch(**{name: rows[name] for name in names})


@jax.jit
def _decide(policy: Policy, obs: Any, key: Any, step: Any) -> Any:
    """One program for all the agents of an environment: none of them remembers anything."""
    return act(policy, obs, (), jax.random.fold_in(key, step), each=False)[0]
