"""TD3 whose actor and critic both pay for leaving the data: the distance counts in the policy and in what it bootstraps from."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.cloning import normalised_by_size
from pilothouse.objectives.temporal_difference import smoothed_action, squared_td_loss
from pilothouse.objectives.weighting import average


def action_distance(one: Float[Array, "batch *action"], other: Float[Array, "batch *action"]) -> Float[Array, " batch"]:
    """Squared distance: the sum over an action's entries."""
    return jnp.square(one - other).sum(axis=tuple(range(1, one.ndim)))


def penalised_td(
    penalty: float | Array,
    noise: float | Array = 0.2,
    clip: float = 0.5,
    *,
    actor: str = "actor/slow",
    critic: str = "critic",
    slow: str = "critic/slow",
) -> Loss:
    """TD3's critic loss, whose next value is less by `penalty` times the distance to the action that the data took next.

    The batch has `next_action` and `follows` (`Following`): where no action follows nothing is taken off. Trains
    `critic`; draws `target_noise`.

    **Source:** Tarasov, Kurenkov, Nikulin and Kolesnikov (ReBRAC), arXiv:2305.09836, section 3.
    """

    def penalised(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        next_action = jax.vmap(parts[actor])(batch.next_obs).mode()
        draw = noise * jax.random.normal(named(key, "target_noise"), next_action.shape)
        next_action = smoothed_action(next_action, draw, clip=clip)
        next_q = jax.vmap(parts[slow])(batch.next_obs, next_action).min(axis=-1)
        distance = jnp.where(batch.follows, action_distance(next_action, batch.next_action), 0.0)
        target = batch.reward + batch.discount * (next_q - penalty * distance)
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        about = {f"{critic}/q_mean": q.mean(), f"{critic}/target_mean": target.mean()}
        return average(batch, squared_td_loss(q, target)), about

    return penalised


def penalised_policy(penalty: float | Array, *, actor: str = "actor", critic: str = "critic") -> Loss:
    """Minus the lowest value over its mean size, plus `penalty` times the distance to the data's action. Trains `actor`.

    Draws nothing; the scale carries no gradient.

    **Source:** Tarasov et al. (ReBRAC), arXiv:2305.09836, section 3, and the authors' code.
    """

    def policy(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        action = jax.vmap(parts[actor])(batch.obs).mode()
        q = jax.vmap(parts[critic])(batch.obs, action).min(axis=-1)
        distance = average(batch, action_distance(action, batch.action))
        loss = penalty * distance - normalised_by_size(q, 1.0, batch)
        return loss, {f"{actor}/q_mean": q.mean(), f"{actor}/distance": distance}

    return policy
