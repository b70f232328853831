"""Values at actions that a policy would draw: state values, targets, and weights for cloning by the advantage over them.

An advantage here is an action's value less that of the policy's own draws: no state value is learned.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import Distribution
from pilothouse.objectives.cloning import advantage_weight, cloning_loss
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.objectives.weighting import average

Weigher = Callable[[Float[Array, " batch"], Float[Array, "samples batch"]], Float[Array, " batch"]]
"""From the value of the data's actions, and those of the policy's draws, to the weight of each row."""

Error = Callable[[Float[Array, "batch members"], Float[Array, " batch"]], Float[Array, " batch"]]
"""From the members' predictions and one target to the error of each row."""


def several(
    distribution: Distribution, number: int, key: PRNGKeyArray
) -> tuple[Float[Array, "number batch *action"], Float[Array, "number batch"]]:
    """`number` independent actions for each row, and their log-probabilities."""
    repeated = jax.tree.map(lambda x: jnp.broadcast_to(x, (number, *x.shape)), distribution)
    return repeated.sample_and_log_prob(key)


def within_bounds(action: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """An action of a Gaussian, which may lie outside, moved to the nearest in [-1, 1]."""
    return jnp.clip(action, -1.0, 1.0)


def values_at(critic: Callable, obs: Array, actions: Float[Array, "number batch *action"]) -> Array:
    """The value of several actions in each state: `[number, batch, members]`."""
    return jax.vmap(lambda action: jax.vmap(critic)(obs, action))(actions)


def td_at_drawn(
    *, actor: str = "actor", critic: str = "critic", slow: str = "critic/slow", error: Error = squared_td_loss
) -> Loss:
    """Squared error to the lowest slow value of one action that the actor draws in the next state. Trains `critic`.

    No entropy is counted. A drawn action outside the bounds is moved to them. `error(q, target)` may be another per-row
    error than the squared one. Draws `next_action`.

    **Source:** Nair et al. (AWAC), arXiv:2006.09359, equation 7; Wang et al. (CRR), arXiv:2006.15134, algorithm 1.
    """

    def drawn(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        following = jax.vmap(parts[actor])(batch.next_obs)
        next_action = within_bounds(following.sample(named(key, "next_action")))
        next_q = jax.vmap(parts[slow])(batch.next_obs, next_action).min(axis=-1)
        target = batch.reward + batch.discount * next_q
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        about = {f"{critic}/q_mean": q.mean(), f"{critic}/target_mean": target.mean()}
        return average(batch, error(q, target)), about

    return drawn


def cautious_td_loss(expectile: float | Array) -> Error:
    """Squared error whose weight is `expectile` where the prediction is too high, and one less that where it is too low.

    Summed over members. Above one half values lean to the low side. The gradient reaches the prediction only.

    **Source:** Kang et al., arXiv:2306.00972, the authors' code of CRR+.
    """

    def loss(prediction: Float[Array, "batch members"], target: Float[Array, " batch"]) -> Float[Array, " batch"]:
        gap = prediction - jax.lax.stop_gradient(target)[:, None]
        return (jnp.where(gap > 0, expectile, 1.0 - expectile) * gap**2).sum(axis=-1)

    return loss


def softmax_weights(temperature: float | Array) -> Weigher:
    """Weights of mean 1 over the batch, in proportion to exp(advantage over the mean draw / `temperature`).

    **Source:** Nair et al. (AWAC), arXiv:2006.09359, equation 13, whose normaliser the authors' code takes over the batch.
    """

    def weigh(q: Float[Array, " batch"], drawn: Float[Array, "samples batch"]) -> Float[Array, " batch"]:
        return jax.nn.softmax((q - drawn.mean(axis=0)) / temperature) * q.shape[0]

    return weigh


def exponential_weights(temperature: float | Array, limit: float = 20.0) -> Weigher:
    """exp(advantage over the mean draw / `temperature`), at most `limit`.

    **Source:** Wang et al. (CRR), arXiv:2006.15134, equation 4 and table 1 ("exp").
    """
    return lambda q, drawn: advantage_weight(q - drawn.mean(axis=0), sharpness=1.0 / temperature, limit=limit)


def binary_weights(over: Literal["mean", "max"] = "mean") -> Weigher:
    """1 for actions worth more than the mean (or the best) of the draws, else 0.

    **Source:** Wang et al. (CRR), arXiv:2006.15134, equation 3 and table 1 ("binary", "binary max").
    """

    def weigh(q: Float[Array, " batch"], drawn: Float[Array, "samples batch"]) -> Float[Array, " batch"]:
        return (q > (drawn.mean(axis=0) if over == "mean" else drawn.max(axis=0))).astype(q.dtype)

    return weigh


def clone_by_drawn(weigh: Weigher, samples: int, *, actor: str = "actor", critic: str = "critic") -> Loss:
    """Cloning weighed by how the data's action compares with `samples` draws of the actor. Trains `actor`.

    The value is the critic's lowest member. Weights carry no gradient. Draws `own_action`.

    **Source:** Nair et al. (AWAC), arXiv:2006.09359, equation 13; Wang et al. (CRR), arXiv:2006.15134, equation 1.
    """

    def weighted_cloning(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        distribution = jax.vmap(parts[actor])(batch.obs)
        drawn, _ = several(jax.lax.stop_gradient(distribution), samples, named(key, "own_action"))
        q = jax.vmap(parts[critic])(batch.obs, batch.action).min(axis=-1)
        own = values_at(parts[critic], batch.obs, within_bounds(drawn)).min(axis=-1)
        weight = jax.lax.stop_gradient(weigh(q, own))
        loss = average(batch, weight * cloning_loss(distribution, batch.action))
        about = {f"{actor}/weight_mean": weight.mean(), f"{actor}/advantage_mean": (q - own.mean(axis=0)).mean()}
        return loss, about

    return weighted_cloning
