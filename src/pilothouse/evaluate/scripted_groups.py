"""Offline data of two groups that a claim makes for itself: a cart in still air, and a few times in the wind."""

import jax
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.policies.policy import Random
from pilothouse.rollout.collect import begin, collect
from pilothouse.train.sources import DataSource, WorldSource
from pilothouse.worlds.grouped import GroupedWorld, WindyCartPole


def grouped_cart(*, background: int, foreground: int, wind: float, horizon: int = 200, seed: int = 0) -> DataSource:
    """So many random steps on CartPole in still air, and in a wind (N); measured in the wind alone."""
    place = WindyCartPole(horizon=horizon)
    pieces = [
        _random_steps(GroupedWorld(place, (("wind", wind),), share), steps, number, seed)
        for number, (share, steps) in enumerate([(0.0, background), (1.0, foreground)])
        if steps
    ]
    windy = GroupedWorld(place, (("wind", wind),), 1.0)
    joined = jax.tree.map(lambda *x: np.concatenate(x), *pieces)
    data = dataset_from_transitions(joined, windy.spec, name="grouped-cartpole-v0")
    return DataSource(data, WorldSource("windy-cartpole", windy, 8))


def _random_steps(place: GroupedWorld, steps: int, number: int, seed: int) -> Batch:
    key = jax.random.fold_in(jax.random.key(seed), number)
    policy = Random(place.spec.action)
    rows = jax.jit(lambda: collect(policy, place, begin(place, (), 1, key), "grouped", steps, None, key)[1])()
    rows = jax.tree.map(lambda x: np.asarray(x)[:, 0], rows)
    cut = rows.truncated.copy()
    cut[-1] |= not rows.terminated[-1]
    return rows.replace(truncated=cut, episode_id=rows.episode_id - rows.episode_id.min() + 1_000_000 * number)
