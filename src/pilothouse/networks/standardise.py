"""A network that sees its observations standardised, with moments that it carries itself."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Spec

LIMIT = 10.0
"""Standardised entries are clipped to plus and minus this."""


class Standardised(eqx.Module):
    """`network`, shown `(obs - mean) / deviation` in place of `obs`. What the moments are made of is `observe`d.

    The moments are arrays of the part that holds the network, so they are saved with it; no gradient reaches them.
    """

    network: Any
    mean: Float[Array, " obs"]
    variance: Float[Array, " obs"]
    count: Float[Array, ""]

    def __init__(self, network: Any, size: int):
        self.network = network
        self.mean, self.variance, self.count = jnp.zeros(size), jnp.ones(size), jnp.zeros(())

    def shown(self, obs: Float[Array, "*batch obs"]) -> Float[Array, "*batch obs"]:
        """What the network sees."""
        mean, variance = jax.lax.stop_gradient((self.mean, self.variance))
        return jnp.clip((obs - mean) * jax.lax.rsqrt(variance + 1e-8), -LIMIT, LIMIT)

    def __call__(self, obs: Float[Array, " obs"], *rest: Any) -> Any:
        return self.network(self.shown(obs), *rest)

    def initial_carry(self) -> Any:
        return self.network.initial_carry()

    def unroll(self, obs: Float[Array, "time obs"], *rest: Any) -> Any:
        return self.network.unroll(self.shown(obs), *rest)

    def observe(self, obs: Float[Array, "*batch obs"]) -> "Standardised":
        """With these observations counted in.

        **Source:** Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983), equation 2.1.
        """
        rows = obs.reshape(-1, obs.shape[-1])
        number = jnp.float32(rows.shape[0])
        total = self.count + number
        gap = rows.mean(axis=0) - self.mean
        mean = self.mean + gap * number / total
        squares = self.variance * self.count + rows.var(axis=0) * number + gap**2 * self.count * number / total
        return eqx.tree_at(lambda s: (s.mean, s.variance, s.count), self, (mean, squares / total, total))


def standardised(spec: Spec, make: Initialise) -> Initialise:
    """A network of `make` that standardises. Raises `SpaceError` unless observations are one flat Box of floats."""
    space = spec.obs
    if not isinstance(space, Box) or len(space.shape) != 1 or space.dtype != "float32":
        raise SpaceError(
            f"Only flat Box observations of floats are standardised, and these are {space.kind}. Leave it off."
        )

    def initialise(key: PRNGKeyArray) -> Standardised:
        return Standardised(make(key), space.shape[0])

    return initialise
