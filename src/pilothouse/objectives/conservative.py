"""Critics held down outside the data: actions that the data do not hold are worth less than those that they do."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.sampled_actions import several, values_at
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.objectives.weighting import average


def conservative_gap(
    data_q: Float[Array, "batch members"],
    other_q: Float[Array, "samples batch members"],
    log_density: Float[Array, "samples batch"],
) -> Float[Array, " batch"]:
    r"""$\log \sum_j e^{Q(s, a_j)} / p(a_j) - Q(s, a)$, summed over members; $p$ is the density that $a_j$ was drawn by.

    The logarithm of a mean would be less by the logarithm of the number of samples, which has no gradient: it is left in,
    as in the authors' code. The gradient reaches the values only.

    **Source:** Kumar et al. (CQL), arXiv:2006.04779, equation 4 and appendix F.
    """
    weighed = other_q - jax.lax.stop_gradient(log_density)[..., None]
    return (jax.nn.logsumexp(weighed, axis=0) - data_q).sum(axis=-1)


def conservative_td(
    weight: float | Array = 5.0,
    samples: int = 10,
    *,
    floor: Callable[[Parts, Batch], Float[Array, " batch"]] | None = None,
    actor: str = "actor",
    critic: str = "critic",
    slow: str = "critic/slow",
) -> Loss:
    """CQL's critic loss: squared error to the lowest slow value of one drawn action, and `weight` times the gap.

    Values are pressed down at `samples` actions each of a uniform draw, of the actor here, and of the actor in the next
    state; all values of an update are one pass. No entropy is counted in the target. With a `floor`, a value for each row,
    the actor's actions are pressed down no further than to it. Trains `critic`; draws `next_action`, `own_action`,
    `following_action` and `uniform_action`.

    **Source:** Kumar et al. (CQL), arXiv:2006.04779, equation 4, as CQL(H) in the authors' code; the floor, Nakamoto et al.
    (Cal-QL), arXiv:2303.05479, equation 5.1.
    """

    def conservative(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        here = jax.lax.stop_gradient(jax.vmap(parts[actor])(batch.obs))
        there = jax.lax.stop_gradient(jax.vmap(parts[actor])(batch.next_obs))
        next_action, _ = there.sample_and_log_prob(named(key, "next_action"))
        next_q = jax.vmap(parts[slow])(batch.next_obs, next_action).min(axis=-1)
        target = batch.reward + batch.discount * next_q
        own, own_density = several(here, samples, named(key, "own_action"))
        following, following_density = several(there, samples, named(key, "following_action"))
        uniform = jax.random.uniform(named(key, "uniform_action"), own.shape, own.dtype, -1.0, 1.0)
        entries = math.prod(batch.action.shape[1:])
        density = jnp.concatenate([own_density, following_density, jnp.full(own_density.shape, -entries * math.log(2))])
        actions = jnp.concatenate([batch.action[None], own, following, uniform])
        values = values_at(parts[critic], batch.obs, actions)
        others = values[1:]
        if floor is not None:
            lowest = jax.lax.stop_gradient(floor(parts, batch))[:, None]
            others = jnp.concatenate([jnp.maximum(others[: 2 * samples], lowest), others[2 * samples :]])
        q, gap = values[0], conservative_gap(values[0], others, density)
        error = average(batch, squared_td_loss(q, target))
        about = {f"{critic}/q_mean": q.mean(), f"{critic}/target_mean": target.mean(), f"{critic}/gap": gap.mean()}
        return error + weight * average(batch, gap), about

    return conservative


def value_from(value: str) -> Callable[[Parts, Batch], Float[Array, " batch"]]:
    """A floor: what the state value in this part says of each row."""
    return lambda parts, batch: jax.vmap(parts[value])(batch.obs)
