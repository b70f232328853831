"""Rows of a fixed dataset with the rewards of several steps, and what is observed after them."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Changes, with_discount
from pilothouse.data.stores import gather, size_of


@dataclass(frozen=True)
class NSteps:
    """Rows drawn uniformly, each followed for up to `steps` steps, fewer where its episode or the dataset ends.

    `reward` is the discounted sum of the rewards on the way; `next_obs`, `terminated` and `truncated` are those of the last
    step, `duration` is of all, so that `discount` is the discount to the power of as many steps, 0 where terminated.
    Rows of an episode must be neighbours, in order, as they are in a dataset.
    """

    name: str
    batch: int
    steps: int
    discount: float | Array
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return jax.random.randint(named(key, "rows"), (times, self.batch), 0, size_of(parts[self.name]))

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        store: Batch = parts[self.name]
        brief = store.without("obs", "action", "next_obs")  # what every step is asked for; pictures are gathered once
        rows, last = gather(store.without("next_obs"), ticket), ticket
        reward, duration, step = rows.reward, rows.duration, gather(brief, ticket)
        going = jnp.ones(ticket.shape, bool)
        for ahead in range(1, self.steps):
            place = jnp.minimum(ticket + ahead, size_of(store) - 1)
            following = gather(brief, place)
            going = going & ~(step.terminated | step.truncated) & (ticket + ahead == place)
            going = going & (following.episode_id == rows.episode_id)
            weight = jnp.power(self.discount, duration.astype(jnp.float32))
            reward = reward + jnp.where(going, weight * following.reward, 0.0)
            duration = duration + jnp.where(going, following.duration, 0)
            last, step = jnp.where(going, place, last), following
        end = gather(Batch(next_obs=store.next_obs, terminated=store.terminated, truncated=store.truncated), last)
        rows = rows.replace(**{name: end[name] for name in end}, reward=reward, duration=duration)
        return with_discount(rows, self.discount), {}
