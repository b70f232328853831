"""Rows with the action that the data took next: for targets that evaluate the behaviour, or that stay close to it."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.data.batches import Changes, Uniform
from pilothouse.data.stores import gather


@dataclass(frozen=True)
class Following(Uniform):
    """Rows of a fixed dataset, drawn uniformly with replacement, with `next_action` and `follows`.

    `follows` is false where the row is the last of its episode, be it terminated, truncated or cut: then `next_action`
    is another episode's, or the row's own, and means nothing. Rows of an episode are neighbours, in order.
    """

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        rows, changes = super().take(parts, ticket, key)
        data: Batch = parts[self.name]
        last = data.reward.shape[0] - 1
        after = gather(Batch(action=data.action, episode_id=data.episode_id), jnp.minimum(ticket + 1, last))
        follows = (after.episode_id == rows.episode_id) & (ticket < last) & ~(rows.terminated | rows.truncated)
        return rows.replace(next_action=after.action, follows=follows), changes
