"""Ridge regression kept up row by row, one for each choice: what bandits know of their arms, and how well they know it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pilothouse.core.aliases import Initialise


class ArmRegression(eqx.Module):
    """A linear model of a target for each arm, on features and a constant: `(estimates, widths)` of every arm.

    An estimate is the ridge regression's of all rows of that arm; a width is `sqrt(x' P^-1 x)` with `P` the arm's
    regularised sum of `x x'`: the target's deviation of estimate in units of its noise.

    **Source:** Li, Chu, Langford and Schapire (LinUCB), arXiv:1003.0146, algorithm 1 (disjoint models).
    """

    precision: Float[Array, "arms size size"]
    moment: Float[Array, "arms size"]

    def __call__(self, features: Float[Array, " features"]) -> tuple[Float[Array, " arms"], Float[Array, " arms"]]:
        x = _with_constant(features)
        weights = jax.vmap(lambda matrix: jax.scipy.linalg.solve(matrix, x, assume_a="pos"))(self.precision)
        return jnp.sum(weights * self.moment, axis=1), jnp.sqrt(jnp.maximum(weights @ x, 0.0))

    def add(
        self,
        features: Float[Array, "rows features"],
        arm: Int[Array, " rows"],
        target: Float[Array, " rows"],
        valid: Bool[Array, " rows"],
    ) -> "ArmRegression":
        """With these rows too, but for those that are not valid."""
        x = jax.vmap(_with_constant)(features)
        chosen = jax.nn.one_hot(arm, len(self.precision)) * valid[:, None]
        return ArmRegression(
            self.precision + jnp.einsum("na,ni,nj->aij", chosen, x, x),
            self.moment + jnp.einsum("na,ni,n->ai", chosen, x, target),
        )


def _with_constant(features: Float[Array, " features"]) -> Float[Array, " size"]:
    return jnp.append(features, 1.0)


def arm_regression(features: int, arms: int, ridge: float | Array) -> Initialise:
    """A regression for each arm that has seen nothing: every estimate 0."""

    def make(key: Array) -> ArmRegression:
        del key
        return ArmRegression(
            jnp.tile(ridge * jnp.eye(features + 1), (arms, 1, 1)),
            jnp.zeros((arms, features + 1)),
        )

    return make
