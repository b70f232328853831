"""An archive of the best episodes, and what they teach with hindsight: that command, here, was obeyed by this action."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Changes


class EpisodeArchive(eqx.Module):
    """The episodes of the highest undiscounted returns, the best first; `length` is 0 where there is none yet."""

    obs: PyTree
    action: PyTree
    reward: Float[Array, "episodes steps"]
    length: Int[Array, " episodes"]

    @property
    def count(self) -> Int[Array, ""]:
        return (self.length > 0).sum()

    @property
    def returns(self) -> Float[Array, " episodes"]:
        """Of each episode; 0 where there is none."""
        return self.reward.sum(axis=1)

    def merge(self, rollout: Batch) -> "EpisodeArchive":
        """The best of these episodes and the archive's own; `rollout` is `(steps, environments)`, one episode each, whose
        rows are `valid` until its end. Of equal returns, those that are here already stay in front.
        """

        def both(old: PyTree, new: PyTree) -> PyTree:
            return jax.tree.map(lambda x, y: jnp.concatenate([x, jnp.moveaxis(y, 0, 1).astype(x.dtype)]), old, new)

        reward = both(self.reward, jnp.where(rollout.valid, rollout.reward, 0.0))
        length = jnp.concatenate([self.length, rollout.valid.sum(axis=0).astype(self.length.dtype)])
        order = jnp.argsort(jnp.where(length > 0, -reward.sum(axis=1), jnp.inf), stable=True)[: len(self.length)]
        kept = (both(self.obs, rollout.obs), both(self.action, rollout.action), reward, length)
        return EpisodeArchive(*jax.tree.map(lambda x: x[order], kept))


def episode_archive(spec: Spec, capacity: int, steps: int) -> Initialise:
    """An empty archive of so many episodes of at most so many steps."""

    def make(key: PRNGKeyArray) -> EpisodeArchive:
        del key

        def room(zeros: PyTree) -> PyTree:
            return jax.tree.map(lambda x: jnp.zeros((capacity, steps, *x.shape), x.dtype), zeros)

        nothing = jnp.zeros((capacity, steps)), jnp.zeros(capacity, jnp.int32)
        return EpisodeArchive(room(spec.obs.zeros()), room(spec.action.zeros()), *nothing)

    return make


def obeyed(archive: EpisodeArchive, episode: Int[Array, " row"], step: Int[Array, " row"]) -> Batch:
    """Rows `obs, command, action`: each step of an episode as if it had been told what came of it.

    The command is the sum of the rewards from that step to the end, its own included, and the number of steps to there.
    """
    ahead: Bool[Array, "row steps"] = jnp.arange(archive.reward.shape[1]) >= step[:, None]
    earned = jnp.where(ahead, archive.reward[episode], 0.0).sum(axis=1)
    left = (archive.length[episode] - step).astype(jnp.float32)
    obs, action = jax.tree.map(lambda x: x[episode, step], (archive.obs, archive.action))
    return Batch(obs=obs, command=jnp.stack([earned, left], axis=1), action=action)


@dataclass(frozen=True)
class Obeyed:
    """Steps drawn uniformly from episodes drawn uniformly, with the commands that they obeyed; an episode's last step is
    drawn only where it has no other."""

    name: str
    batch: int
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        archive: EpisodeArchive = parts[self.name]
        shape = (times, self.batch)
        episode = jax.random.randint(named(key, "episode"), shape, 0, jnp.maximum(archive.count, 1))
        most = jnp.maximum(archive.length[episode] - 1, 1)
        step = jnp.floor(jax.random.uniform(named(key, "step"), shape) * most).astype(jnp.int32)
        return {"episode": episode, "step": jnp.minimum(step, most - 1)}

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        del key
        return obeyed(parts[self.name], ticket["episode"], ticket["step"]), {}
