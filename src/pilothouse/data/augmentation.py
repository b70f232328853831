"""Pictures moved or mixed a little at random, so that what is learned of them does not hang on single pixels."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.batches import Changes
from pilothouse.data.relabelled import Around


def random_shift(
    pictures: Shaped[Array, "batch height width channels"], pad: int, key: PRNGKeyArray
) -> Shaped[Array, "batch height width channels"]:
    """Each picture moved by up to `pad` whole pixels either way, along both axes; its edges are continued outwards.

    All channels of a picture, and so all frames of a stack, move together.

    **Source:** Kostrikov, Yarats and Fergus (DrQ), arXiv:2004.13649; DrQ-v2 (Yarats et al., arXiv:2107.09645) does the
    same by interpolation, and its moves are whole pixels too.
    """
    batch, height, width, _ = pictures.shape
    moves = jax.random.randint(key, (batch, 2), -pad, pad + 1)

    def moved(picture: Array, move: Array) -> Array:
        rows = jnp.clip(jnp.arange(height) + move[0], 0, height - 1)
        columns = jnp.clip(jnp.arange(width) + move[1], 0, width - 1)
        return picture[rows][:, columns]

    return jax.vmap(moved)(pictures, moves)


def overlaid(
    pictures: Shaped[Array, "batch height width channels"], key: PRNGKeyArray, *, share: float = 0.5, cells: int = 4
) -> Float[Array, "batch height width channels"]:
    """Each picture (0..255) mixed with `share` of blotches: a grid of random greys, smoothly enlarged, over all channels."""
    batch, height, width, channels = pictures.shape
    coarse = 255 * jax.random.uniform(key, (batch, cells, cells, 1))
    fine = jax.image.resize(coarse, (batch, height, width, 1), "linear")
    return (1 - share) * pictures.astype(jnp.float32) + share * jnp.broadcast_to(fine, pictures.shape)


@dataclass(frozen=True)
class Shifted(Around):
    """What `inner` draws, with `random_shift` of its pictures: `obs` and `next_obs` each by moves of their own."""

    pad: int

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        rows, changes = self.inner.take(parts, ticket, key)
        names = ("obs", "next_obs")
        moved = {name: random_shift(rows[name], self.pad, named(key, f"shift {name}")) for name in names}
        return rows.replace(**moved), changes


@dataclass(frozen=True)
class Overlaid(Around):
    """What `inner` draws, and beside each observation the same one `mixed` with blotches (`overlaid`)."""

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Changes]:
        rows, changes = self.inner.take(parts, ticket, key)
        return rows.replace(mixed=overlaid(rows.obs, named(key, "overlay"))), changes
