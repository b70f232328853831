"""Losses that imitate the actions in the data, plainly or weighed by how good they were."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic, Distribution
from pilothouse.objectives.member_choice import OfMembers, lowest
from pilothouse.objectives.weighting import average


def squared_action_loss(
    prediction: Float[Array, "batch *action"], action: Float[Array, "batch *action"]
) -> Float[Array, " batch"]:
    """Squared error averaged over the entries of an action."""
    return jnp.square(prediction - action).mean(axis=tuple(range(1, prediction.ndim)))


def cloning_loss(distribution: Distribution, action: PyTree) -> Float[Array, " batch"]:
    """Minus the log-probability of `action`; for a deterministic policy the squared error."""
    if isinstance(distribution, Deterministic):
        return squared_action_loss(distribution.value, action)
    return -distribution.log_prob(action)


def advantage_weight(
    advantage: Float[Array, " batch"], *, sharpness: float | Array, limit: float = 100.0
) -> Float[Array, " batch"]:
    """`exp(sharpness * advantage)`, at most `limit`; carries no gradient.

    **Source:** Peng et al. (AWR), arXiv:1910.00177, equation 9; the limit from Kostrikov, Nair and Levine.
    """
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(sharpness * advantage), limit))


def clone(parts: Parts, batch: Batch, key: PRNGKeyArray, *, actor: str = "actor") -> tuple[Scalar, Aux]:
    """Behaviour cloning: likelihood of the data's actions, or squared error for a deterministic actor.

    Trains `actor`, which may also be an actor with a value. Draws nothing.
    """
    del key
    output = jax.vmap(parts[actor])(batch.obs)
    distribution = output[0] if isinstance(output, tuple) else output
    loss = average(batch, cloning_loss(distribution, batch.action))
    return loss, {f"{actor}/cloning_loss": loss}


def clone_commanded(
    parts: Parts, batch: Batch, key: PRNGKeyArray, *, behaviour: str = "behaviour"
) -> tuple[Scalar, Aux]:
    """The likelihood of actions given the observation and the `command` that they obeyed. Draws nothing."""
    del key
    loss = average(batch, cloning_loss(jax.vmap(parts[behaviour])(batch.obs, batch["command"]), batch.action))
    return loss, {f"{behaviour}/cloning_loss": loss}


def clone_by_advantage(
    sharpness: float | Array = 3.0,
    limit: float = 100.0,
    *,
    actor: str = "actor",
    slow: str = "critic/slow",
    value: str = "value",
    of: OfMembers = lowest,
) -> Loss:
    """IQL's policy extraction: cloning weighed by the exponential of the advantage. Trains `actor`; draws nothing.

    `of` says which value the critic's members stand for.

    **Source:** Kostrikov, Nair and Levine, arXiv:2110.06169, equation 7.
    """

    def weighted_cloning(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        q = of(jax.vmap(parts[slow])(batch.obs, batch.action))
        advantage = q - jax.vmap(parts[value])(batch.obs)
        weight = advantage_weight(advantage, sharpness=sharpness, limit=limit)
        loss = cloning_loss(jax.vmap(parts[actor])(batch.obs), batch.action)
        return average(batch, weight * loss), {f"{actor}/weight_mean": weight.mean()}

    return weighted_cloning


def td3_bc(alpha: float | Array = 2.5, *, actor: str = "actor", critic: str = "critic") -> Loss:
    """TD3+BC's actor loss: the critic's value scaled by `alpha` over its mean size, plus the squared error to the data.

    Trains `actor`; draws nothing. The scale carries no gradient.

    **Source:** Fujimoto and Gu, arXiv:2106.06860, equations 3 and 4.
    """

    def tethered_policy(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        action = jax.vmap(parts[actor])(batch.obs).mode()
        q = jax.vmap(parts[critic])(batch.obs, action)[:, 0]
        tether = average(batch, squared_action_loss(action, batch.action))
        loss = tether - normalised_by_size(q, alpha, batch)
        return loss, {f"{actor}/q_mean": q.mean(), f"{actor}/cloning_loss": tether}

    return tethered_policy


def normalised_by_size(q: Float[Array, " batch"], alpha: float | Array, batch: Batch) -> Scalar:
    """The mean of `q` times `alpha` over the mean of |q|, a scale without gradient."""
    return average(batch, q) * alpha / jax.lax.stop_gradient(average(batch, jnp.abs(q)))
