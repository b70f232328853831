"""Recording a policy's experience as a dataset that other libraries open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.minari_write import write_minari
from pilothouse.evaluate.episodes import check_policy_fits
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy, Random
from pilothouse.rollout.actors import actor_of
from pilothouse.rollout.collect import begin, collect
from pilothouse.rollout.episodes import tasks_for
from pilothouse.train.simulators import Simulators
from pilothouse.train.sources import SimulatorSource, WorldSource


def record_policy(
    policy: Policy | HostPolicy | str,
    place: WorldSource | SimulatorSource,
    *,
    steps: int,
    seed: int,
    out: Path,
    tell: Callable[[str], None] | None = None,
) -> Dataset:
    """Act for `steps` steps in one environment and write the Minari dataset `out` (…/NAME-vN); returns what was written.

    `tell` is told of what the policy did amiss: actions that were clipped, decisions that took long.
    """
    if steps < 1:
        raise SettingError(f"steps={steps}; expected at least 1.")
    if seed < 0:
        raise SettingError(f"seed={seed}; expected at least 0.")
    if place.stack != 1:
        raise SettingError(
            f"This policy sees {place.stack} observations together; a dataset holds them one by one. "
            "Record a policy that was trained without --stack."
        )
    policy = Random(place.spec.action) if isinstance(policy, str) else policy
    check_policy_fits(policy, place)
    rows = (
        _in_world(policy, place, steps, seed)
        if isinstance(place, WorldSource) and not isinstance(policy, HostPolicy)
        else _on_host(policy, place, steps, seed, tell)
    )
    env_id = place.name if isinstance(place, SimulatorSource) and ":" not in place.name else None
    dataset = dataset_from_transitions(rows, place.spec, name=out.name, env_id=env_id)
    write_minari(out, dataset)
    return dataset


def _in_world(policy: Policy, place: WorldSource, steps: int, seed: int) -> Batch:
    def run(policy: Policy) -> Any:
        key = jax.random.key(seed)
        acting = begin(place.world, tasks_for(place.world, 1, key), 1, key)
        return collect(policy, place.world, acting, "record", steps, None, key)[1]

    return jax.tree.map(np.asarray, jax.jit(run)(policy))


def _on_host(
    policy: Policy | HostPolicy,
    place: WorldSource | SimulatorSource,
    steps: int,
    seed: int,
    tell: Callable[[str], None] | None,
) -> Batch:
    simulators, actor = Simulators(place.make(1), (seed,), 1), actor_of(policy, copies=1, seed=seed)
    carry, episode, rows = None, simulators.episode_id()[0, 0], []
    try:
        for step in range(steps):
            obs = jax.tree.map(lambda x: x[0], simulators.obs())
            if simulators.episode_id()[0, 0] != episode:
                carry, episode = None, simulators.episode_id()[0, 0]
            action, carry = actor(obs, carry, step)
            rows.append(simulators.step(jax.tree.map(lambda x: x[None], action), {}))
    finally:
        simulators.close()
    if tell is not None:
        for note in actor.conduct.notes(getattr(policy, "name", "the policy")):
            tell(f"note: {note}")
    return jax.tree.map(lambda *x: np.concatenate([each[0] for each in x]), *rows)
