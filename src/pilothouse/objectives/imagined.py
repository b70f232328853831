"""Losses over rows of data and rows that a learned model imagined, side by side in one batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.conservative import conservative_gap
from pilothouse.objectives.sampled_actions import several, values_at
from pilothouse.objectives.temporal_difference import squared_td_loss


def conservative_on_imagined(
    weight: float | Array,
    samples: int,
    *,
    actor: str = "actor",
    critic: str = "critic",
    slow: str = "critic/slow",
) -> Loss:
    """COMBO's critic loss: values are pressed down where the model imagines, and raised at the data. Trains `critic`.

    A batch is rows `data` and rows `imagined`, equally many. The temporal-difference error is over both; the gap is between
    actions drawn (uniformly, and by the actor) at imagined observations and the actions of the data. Draws `next_action`,
    `own_action`, `uniform_action`.

    **Source:** Yu et al. (COMBO), arXiv:2102.08363, equation 2 with the soft maximum of its section 4 as the sampling
    distribution.
    """

    def combo(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        data, imagined = batch.data, batch.imagined
        both = joined(data, imagined)
        following = jax.lax.stop_gradient(jax.vmap(parts[actor])(both.next_obs))
        next_action = following.sample(named(key, "next_action"))
        next_q = jax.vmap(parts[slow])(both.next_obs, next_action).min(axis=-1)
        target = both.reward + both.discount * next_q
        q = jax.vmap(parts[critic])(both.obs, both.action)
        here = jax.lax.stop_gradient(jax.vmap(parts[actor])(imagined.obs))
        own, density = several(here, samples, named(key, "own_action"))
        uniform = jax.random.uniform(named(key, "uniform_action"), own.shape, own.dtype, -1.0, 1.0)
        entries = own[0, 0].size
        densities = jnp.concatenate([density, jnp.full(density.shape, -entries * jnp.log(2.0))])
        pressed = values_at(parts[critic], imagined.obs, jnp.concatenate([own, uniform]))
        gap = conservative_gap(q[: len(data.reward)], pressed, densities)
        about = {f"{critic}/q_mean": q.mean(), f"{critic}/target_mean": target.mean(), f"{critic}/gap": gap.mean()}
        return squared_td_loss(q, target).mean() + weight * gap.mean(), about

    return combo


def joined(data: Batch, imagined: Batch) -> Batch:
    """Rows of the data, then rows imagined, in the fields that both have."""
    names = [name for name in data if name in imagined]
    return Batch(**{n: jax.tree.map(lambda *x: jnp.concatenate(x), data[n], imagined[n]) for n in names})


def on_both(loss: Loss) -> Loss:
    """A loss that sees the rows `data` and `imagined` of a batch as one."""

    def both(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        return loss(parts, joined(batch.data, batch.imagined), key)

    both.__name__ = getattr(loss, "__name__", "both")
    return both
