"""Losses for consistency policies: two amounts of noise on one action must be led back to the same."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.consistency import LEAST, MOST
from pilothouse.objectives.cloning import squared_action_loss
from pilothouse.objectives.weighting import average

BEND = 7.0
"""How much denser levels of noise lie where there is little of it."""
FEWEST = 2


def noise_level(number: Float[Array, "*any"], count: Float[Array, ""] | float) -> Float[Array, "*any"]:
    """The deviation of level `number` in [0, `count` - 1]: from `LEAST` to `MOST`, evenly in their seventh roots.

    **Source:** Karras, Aittala, Aila and Laine, arXiv:2206.00364, equation 5.
    """
    low, high = LEAST ** (1 / BEND), MOST ** (1 / BEND)
    return (low + number / (count - 1) * (high - low)) ** BEND


def level_count(progress: Float[Array, ""] | float, most: int) -> Float[Array, ""]:
    """How many levels of noise there are at this share of the run: 2 at first, `most` at the end, by a root between.

    **Source:** Song, Dhariwal, Chen and Sutskever, arXiv:2303.01469, appendix C.
    """
    return jnp.ceil(jnp.sqrt(progress * (most**2 - FEWEST**2) + FEWEST**2) - 1.0) + 1.0


def be_consistent(levels: int = 150, *, scaled: bool = True, actor: str = "actor", teacher: str = "actor/slow") -> Loss:
    """Clone the data's actions with a consistency actor: from a level of noise to what the teacher makes of the next lower.

    Both carry the same noise, in other amounts. Neighbouring levels are drawn uniformly among as many as there are at
    this time of the run (`level_count`, at most `levels`). `scaled` multiplies each error by 100 over the distance of
    the two levels, without which errors of little noise count next to nothing. Trains `actor`; reads `teacher` and the
    clock; draws `level` and `noise`.

    **Source:** Song et al., arXiv:2303.01469, definition 2; for policies Ding and Jin, arXiv:2309.16984, and the authors' code.
    """

    def consistency(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        rows = batch.action.shape[0]
        count = level_count(parts["clock"]["progress"], levels)
        number = jnp.floor(jax.random.uniform(named(key, "level"), (rows,)) * (count - 1))
        less, more = noise_level(number, count), noise_level(number + 1, count)
        noise = jax.random.normal(named(key, "noise"), batch.action.shape)

        def led_back(part: str, level: Array) -> Array:
            noisy = batch.action + noise * level.reshape(-1, *[1] * (noise.ndim - 1))
            return jax.vmap(parts[part].clean)(batch.obs, noisy, level)

        error = squared_action_loss(led_back(actor, more), jax.lax.stop_gradient(led_back(teacher, less)))
        loss = average(batch, error * (100.0 / (more - less)) if scaled else error)
        return loss, {f"{actor}/consistency_error": error.mean()}

    return consistency
