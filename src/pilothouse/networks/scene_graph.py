"""Scenes as graphs: nodes with features and cells, and layers in which what a node hears of another depends on where it is."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

REACH = 2
"""Cells from which on things are simply far, in either direction."""

RELATIONS = (2 * REACH + 1) ** 2


def relations(
    cells: Float[Array, "frame node 2"], there: Bool[Array, "frame node"]
) -> Float[Array, "frame to of kind"]:
    """Where every node `of` is, seen from every node `to`: which of `RELATIONS`, as a one-hot vector.

    A relation is a number of cells to the right and one upwards, each counted up to `REACH` either way; in their order
    the second changes fastest. Nodes that are not there stand in none, nor does anything to them.
    """
    away = jnp.clip(jnp.round(cells[:, None] - cells[:, :, None]), -REACH, REACH) + REACH
    number = away[..., 0] * (2 * REACH + 1) + away[..., 1]
    both = (there[:, None] & there[:, :, None])[..., None]
    return (number[..., None] == jnp.arange(RELATIONS)) * both.astype(jnp.float32)


class RelationalLayer(eqx.Module):
    r"""$x_i W_0 + \sum_j \sum_b a_{r(i, j) b}\, x_j V_b$: a relation's matrix is a mixture of a few that all share.

    The matrices begin as the identity (`bases`, divided by the root of their number), so that what a node hears of others
    can be compared with what others are before anything is learned; mixtures begin normal, with deviation one half.

    **Source:** Schlichtkrull et al., "Modeling Relational Data with Graph Convolutional Networks", arXiv:1703.06103,
    equations 2 and 3, with sums over neighbours in place of means and no activation.
    """

    own: Float[Array, "width width"]
    mixture: Float[Array, "kind basis"]
    bases: Float[Array, "basis width width"]

    def __init__(self, width: int, bases: int = 3, *, key: PRNGKeyArray):
        self.own = jnp.eye(width)
        self.mixture = 0.5 * jax.random.normal(key, (RELATIONS, bases))
        self.bases = jnp.tile(jnp.eye(width), (bases, 1, 1)) * bases**-0.5

    def __call__(
        self,
        to: Float[Array, "frame to width"],
        x: Float[Array, "frame of width"],
        kinds: Float[Array, "frame to of kind"],
    ) -> Float[Array, "frame to width"]:
        """What the nodes `to` are once they have heard of the nodes `x`, given the relation `kinds` between them."""
        heard = jnp.einsum("ftob,fow->ftbw", kinds @ self.mixture, x)
        return to @ self.own + jnp.einsum("ftbw,bwv->ftv", heard, self.bases)
