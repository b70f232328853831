"""A sampler that prefers the rows of good trajectories: by their return, or by how far it beats what their start promised."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import with_discount
from pilothouse.data.stores import gather

RIDGE = 1e-4
"""Added to the diagonal of the regression on first observations, per episode: it keeps constant entries harmless."""


def trajectory_returns(rows: Batch) -> Float[Array, " row"]:
    """For each row the undiscounted return of its whole episode, scaled so that the worst episode has 0 and the best 1."""
    total = jax.ops.segment_sum(rows.reward, rows.episode_id, rows.reward.shape[0])[rows.episode_id]
    low, high = total.min(), total.max()
    return (total - low) / jnp.where(high > low, high - low, 1.0)


def promised(rows: Batch, returns: Float[Array, " row"]) -> Float[Array, " row"]:
    """For each row what a linear regression on the first observation of its episode says of `returns`.

    Every episode counts once. Observations are flat vectors.
    """
    number = rows.reward.shape[0]
    first = jax.ops.segment_min(jnp.arange(number), rows.episode_id, number)[rows.episode_id]
    counts = (first == jnp.arange(number)).astype(jnp.float32)
    features = jnp.concatenate([rows.obs[first], jnp.ones((number, 1))], axis=1)
    weighted = features * counts[:, None]
    gram = weighted.T @ features + RIDGE * counts.sum() * jnp.eye(features.shape[1])
    return features @ jnp.linalg.solve(gram, weighted.T @ returns)


@dataclass(frozen=True)
class ByTrajectory:
    """Rows of a fixed dataset, drawn with probability in proportion to exp(quality of their episode / `temperature`).

    Quality is the scaled return, or with `advantage` that less what is `promised` at the episode's start. Weights are
    worked out anew for every plan: give the fit many `times`.

    **Source:** Hong et al., arXiv:2306.13085, equations 9 and 10, with a weight a row as the authors' code has it.
    """

    name: str
    batch: int
    temperature: float | Array
    discount: float | None = None
    advantage: bool = False
    writes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def weights(self, rows: Batch) -> Float[Array, " row"]:
        """Every row's probability."""
        quality = trajectory_returns(rows)
        if self.advantage:
            quality = quality - promised(rows, quality)
        return jax.nn.softmax(quality / self.temperature)

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        upper = jnp.cumsum(self.weights(parts[self.name]))
        draw = upper[-1] * (1.0 - jax.random.uniform(named(key, "rows"), (times, self.batch)))  # in (0, the sum]
        return jnp.searchsorted(upper, draw).clip(0, upper.shape[0] - 1)

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Mapping[str, PyTree]]:
        del key
        return with_discount(gather(parts[self.name], ticket), self.discount), {}
