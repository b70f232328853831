"""Which value an ensemble stands for: its lowest, or a quantile of its members."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

OfMembers = Callable[[Float[Array, "*batch members"]], Float[Array, "*batch"]]


def lowest(values: Float[Array, "*batch members"]) -> Float[Array, "*batch"]:
    """The least of the members' values."""
    return values.min(axis=-1)


def member_quantile(quantile: float | Array) -> OfMembers:
    """This quantile of the members' values, on a straight line between neighbours: 0 the lowest, 1 the highest.

    **Source:** Yang et al. (RIQL), arXiv:2310.12955, section 5.3.
    """
    return lambda values: jnp.quantile(values, quantile, axis=-1)
