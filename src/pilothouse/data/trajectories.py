"""Stretches of episodes out of a fixed dataset, with what each row's episode still brings: what sequence models read."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Changes, with_discount
from pilothouse.data.stores import size_of


def first_rows(episode_id: Int[Array, " row"]) -> Bool[Array, " row"]:
    """Whether an episode begins at a row; rows of an episode are neighbours, in order."""
    return jnp.concatenate([jnp.ones(1, bool), episode_id[1:] != episode_id[:-1]])


def episode_starts(episode_id: Int[Array, " row"]) -> Int[Array, " row"]:
    """For each row the number of the row with which its episode begins."""
    places = jnp.arange(len(episode_id), dtype=jnp.int32)
    return jax.lax.cummax(jnp.where(first_rows(episode_id), places, 0))


def returns_to_go(
    reward: Float[Array, " row"], episode_id: Int[Array, " row"], discount: float | Array = 1.0
) -> Float[Array, " row"]:
    """The (discounted) sum of rewards from each row to the end of its episode, the row's own included.

    Added up in a tree and within episodes only, so that a million rows lose no precision to one running sum.
    """
    last = jnp.concatenate([first_rows(episode_id)[1:], jnp.ones(1, bool)])

    def join(later: tuple[Array, Array], earlier: tuple[Array, Array]) -> tuple[Array, Array]:
        # Each is (sum from here to the end of the stretch, what a later sum counts for; 0 across an episode's end).
        return earlier[0] + earlier[1] * later[0], earlier[1] * later[1]

    weight = jnp.where(last, 0.0, discount).astype(jnp.float32)
    return jax.lax.associative_scan(join, (reward.astype(jnp.float32), weight), reverse=True)[0]


@dataclass(frozen=True)
class Trajectories:
    """Stretches of `length` rows that end at rows drawn uniformly, and never reach into another episode.

    A batch has leading axes `(batch, length)`. Where an episode is too young the stretch is padded in front: those rows
    are not `valid`, and hold what lies there. Each row also has `return_to_go`, undiscounted, its own reward included,
    and `step`, its place in its episode, counted from 0. What an episode still brings is added up for all rows at once
    whenever tickets are made, so let one fit do many updates (`times`).
    """

    name: str
    batch: int
    length: int
    discount: float | None = None
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        rows: Batch = parts[self.name]
        ends = jax.random.randint(named(key, "rows"), (times, self.batch), 0, size_of(rows))
        starts = episode_starts(rows.episode_id)[ends][..., None]
        places = ends[..., None] + jnp.arange(1 - self.length, 1)
        valid = places >= starts
        places = jnp.maximum(places, 0)
        to_go = returns_to_go(rows.reward, rows.episode_id)[places]
        return {"row": places, "valid": valid, "to_go": to_go, "step": jnp.where(valid, places - starts, 0)}

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        rows: Batch = jax.tree.map(lambda x: x[ticket["row"]], parts[self.name])
        valid = ticket["valid"] & rows["valid"] if "valid" in rows else ticket["valid"]
        rows = rows.replace(valid=valid, return_to_go=ticket["to_go"], step=ticket["step"])
        return with_discount(rows, self.discount), {}


@dataclass(frozen=True)
class Futures:
    """Stretches of up to `length` rows that begin at rows drawn uniformly, and never reach into another episode.

    A batch has leading axes `(batch, length)`; what is drawn stands first. Where the episode ends sooner the stretch is
    padded behind: those rows are not `valid`, and hold what lies there. Each row has `return_to_go`, its own reward
    included, discounted by `discount`.
    """

    name: str
    batch: int
    length: int
    discount: float | Array = 1.0
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        rows: Batch = parts[self.name]
        begins = jax.random.randint(named(key, "rows"), (times, self.batch), 0, size_of(rows))[..., None]
        places = jnp.minimum(begins + jnp.arange(self.length), size_of(rows) - 1)
        # The last row of the data may stand for several places: only the first of them is the row itself.
        within = begins + jnp.arange(self.length) < size_of(rows)
        to_go = returns_to_go(rows.reward, rows.episode_id, self.discount)
        valid = within & (rows.episode_id[places] == rows.episode_id[begins])
        return {"row": places, "valid": valid, "to_go": to_go[places]}

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        rows: Batch = jax.tree.map(lambda x: x[ticket["row"]], parts[self.name])
        valid = ticket["valid"] & rows["valid"] if "valid" in rows else ticket["valid"]
        return rows.replace(valid=valid, return_to_go=ticket["to_go"]), {}


def first_of_each(parts: Parts, stretches: Batch) -> Batch:
    """The first rows of stretches, by themselves: a label for `Relabelled`."""
    del parts
    return jax.tree.map(lambda x: x[:, 0], stretches)
