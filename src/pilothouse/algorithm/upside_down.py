"""Upside-down reinforcement learning: commands of a little more than the best, and forests that learn to obey them.

**Source:** Srivastava, Shyam, Mutz, Jaśkowski and Schmidhuber, "Training Agents using Upside-Down Reinforcement
Learning", arXiv:1912.02877.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from pilothouse.algorithm.steps import Rule
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.data.episode_archive import EpisodeArchive, Obeyed
from pilothouse.networks.commanded import ByForest
from pilothouse.networks.forest import forest_of
from pilothouse.policies.commanded import Orders
from pilothouse.policies.host import seed_of

Trees = Literal["random forest", "extra trees"]


def archived(*, archive: str = "archive", rollout: str = "rollout", orders: str = "orders", recent: int = 75) -> Rule:
    """Take the rollout's episodes into the archive, and order a little more than its `recent` best earned: a return between
    their mean and a standard deviation above it, in their mean number of steps.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        kept: EpisodeArchive = parts[archive].merge(parts[rollout])
        return {archive: kept, orders: orders_of(kept, recent)}

    return Rule(change, (archive, orders), name="archive")


def orders_of(archive: EpisodeArchive, recent: int) -> Orders:
    """Orders by the archive's best episodes."""
    number = jnp.maximum(jnp.minimum(archive.count, recent), 1)
    best = jnp.arange(len(archive.length)) < number
    returns, lengths = archive.returns, archive.length.astype(jnp.float32)
    mean = (returns * best).sum() / number
    spread = jnp.sqrt((jnp.square(returns - mean) * best).sum() / number)
    steps = (lengths * best).sum() / number
    return Orders(mean, mean + spread, steps, archive.reward.sum() / jnp.maximum(archive.length.sum(), 1))


def no_orders(key: PRNGKeyArray) -> Orders:
    """What is ordered before anything is known."""
    del key
    return Orders(*(jnp.zeros(()) for _ in range(4)))


def grow(
    spec: Spec,
    kind: Trees,
    *,
    trees: int,
    batch: int,
    archive: str = "archive",
    forest: str = "behaviour",
    importance: str = "importance",
) -> Rule:
    """Grow a forest anew on steps of the archive with the commands that they obeyed, and note how much each feature of the
    observation, and each of the command's two numbers, counts in it: its share of the fall in impurity.
    """
    made = {"random forest": RandomForestClassifier, "extra trees": ExtraTreesClassifier}[kind]
    size: Any = spec.action.size

    def change(parts: Parts, batch_: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch_, aux
        drawn, held = Obeyed(archive, batch), {archive: jax.tree.map(jnp.asarray, parts[archive])}
        ticket = jax.tree.map(lambda x: x[0], drawn.plan(held, named(key, "rows"), 1))
        rows, _ = drawn.take(held, ticket, key)
        obs, action = np.asarray(rows.obs), np.asarray(rows.action)
        x = np.concatenate([obs.reshape(len(obs), -1), np.asarray(rows["command"])], axis=1)
        grown = made(n_estimators=trees, random_state=seed_of(key)).fit(x, action)
        found = forest_of([one.tree_ for one in grown.estimators_], grown.classes_.tolist(), 2 * batch - 1, size)
        return {forest: ByForest(found), importance: jnp.asarray(grown.feature_importances_, jnp.float32)}

    return Rule(change, (forest, importance), host=True, name="grow")
