"""Directions in which a policy's choices are least stable: what moves its decisions, correlated over many states.

At each state the decision loss is the cross-entropy of the policy's choice probabilities with the choice it makes, and
its gradient points where the choice gives way. The leading eigenvectors of these gradients' second moment are the
directions that are unstable everywhere at once.

**Source:** Korkmaz, "Understanding and Diagnosing Deep Reinforcement Learning", arXiv:2406.16979.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pilothouse.core.plain import plain
from pilothouse.explain.gradients import Function


class Directions(NamedTuple):
    """Unit directions (rows), the least stable first, and the mean squared slope of the decision loss along each."""

    strength: Float[Array, " features"]
    directions: Float[Array, "features features"]


@dataclass(frozen=True)
class Instability:
    """Where a policy's choices give way.

    `strength`, `directions`: see `Directions`. `flips`: share of the observations at which a move of `radius` along the
    first direction, one way or the other, changes the choice; `flips_at_random`: the same along random directions.
    `oscillation`: how much the first direction turns from one stretch of observations to the next, 0 (not at all) to 1
    (a right angle each time); NaN where fewer than two stretches have any slope.
    """

    strength: Any
    directions: Any
    radius: float
    flips: float
    flips_at_random: float
    oscillation: float

    def as_json(self) -> dict[str, Any]:
        return plain(self)


def decision_loss(probabilities: Function, obs: Float[Array, " features"], chosen: Array) -> Float[Array, ""]:
    """Cross-entropy of the probabilities at an observation with a choice, in nats."""
    return -jnp.log(jnp.maximum(probabilities(obs)[chosen], 1e-30))


def decision_gradient(probabilities: Function, obs: Float[Array, " features"]) -> Float[Array, " features"]:
    """The gradient of the decision loss, the choice being the likeliest there: uphill is away from that choice."""
    chosen = jnp.argmax(probabilities(obs))
    return jax.grad(lambda seen: decision_loss(probabilities, seen, chosen))(obs)


def unstable_directions(
    gradients: Float[Array, "rows features"], valid: Bool[Array, " rows"] | None = None
) -> Directions:
    """Eigenvectors of the mean of g gᵀ over the valid rows. Each points where its largest entry is positive."""
    weight = jnp.ones(len(gradients)) if valid is None else valid.astype(jnp.float32)
    moment = jnp.einsum("n,ni,nj->ij", weight, gradients, gradients, precision="highest")
    strength, columns = jnp.linalg.eigh(moment / jnp.maximum(weight.sum(), 1.0))
    rows = columns.T[::-1]
    largest = jnp.take_along_axis(rows, jnp.argmax(jnp.abs(rows), axis=1, keepdims=True), axis=1)
    return Directions(jnp.maximum(strength[::-1], 0.0), rows * jnp.where(largest < 0, -1.0, 1.0))


def overlap(one: Float[Array, " features"], other: Float[Array, " features"]) -> Float[Array, ""]:
    """Absolute cosine of two directions: 1 the same line, 0 a right angle."""
    norm = jnp.maximum(jnp.linalg.norm(one) * jnp.linalg.norm(other), 1e-30)
    return jnp.abs(one @ other) / norm


def oscillation(
    gradients: Float[Array, "time features"], window: int, valid: Bool[Array, " time"] | None = None
) -> Float[Array, ""]:
    """The mean of 1 - overlap between the first directions of consecutive windows; NaN where no two have any slope.

    A window counts if all of it is valid and some gradient in it is not 0.
    """
    count = len(gradients) // window
    parts = gradients[: count * window].reshape(count, window, -1)
    inside = jnp.ones((count, window), bool) if valid is None else valid[: count * window].reshape(count, window)
    # Scaled to one size each: where choices are all but certain the squares of slopes would underflow.
    size = jnp.abs(parts).max(axis=(1, 2), keepdims=True)
    first = jax.vmap(lambda part: unstable_directions(part).directions[0])(parts / jnp.maximum(size, 1e-30))
    counts = inside.all(axis=1) & (size[:, 0, 0] > 1e-20)
    pairs = counts[1:] & counts[:-1]
    turned = 1 - jax.vmap(overlap)(first[1:], first[:-1])
    return jnp.where(pairs, turned, 0.0).sum() / jnp.where(pairs.any(), pairs.sum(), jnp.nan)


def flips(
    probabilities: Function,
    obs: Float[Array, "rows features"],
    directions: Float[Array, "lines features"],
    radius: float | Array,
    valid: Bool[Array, " rows"] | None = None,
) -> Float[Array, " lines"]:
    """For each direction, the share of the valid rows at which a move of `radius` along it, either way, changes the choice."""
    weight = jnp.ones(len(obs)) if valid is None else valid.astype(jnp.float32)
    choice = lambda seen: jnp.argmax(probabilities(seen))  # noqa: E731

    def flipped(seen: Array, line: Array) -> Array:
        unit = radius * line / jnp.maximum(jnp.linalg.norm(line), 1e-30)
        return (choice(seen + unit) != choice(seen)) | (choice(seen - unit) != choice(seen))

    each = jax.vmap(lambda line: jax.vmap(lambda seen: flipped(seen, line))(obs))(directions)
    return (each * weight).sum(axis=1) / jnp.maximum(weight.sum(), 1.0)
