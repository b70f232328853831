"""Regularisation towards whatever is better: the data's action, or one that a model of the good data proposes (A2PR)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.cloning import normalised_by_size
from pilothouse.objectives.temporal_difference import smoothed_action
from pilothouse.objectives.weighting import average


def guide(
    action: Float[Array, "batch *action"],
    proposal: Float[Array, "batch *action"],
    q_action: Float[Array, " batch"],
    q_proposal: Float[Array, " batch"],
    value: Float[Array, " batch"],
) -> tuple[Float[Array, "batch *action"], Bool[Array, " batch"]]:
    """What to be drawn to: the proposal where its value is at least the data's action's, else that action; and whether
    either is better than the state's value, without which there is no pull at all.

    **Source:** Liu et al. (A2PR), arXiv:2405.19909, section 4, with the authors' code for ties.
    """
    wide = (q_proposal >= q_action).reshape(-1, *[1] * (action.ndim - 1))
    return jnp.where(wide, proposal, action), (q_proposal >= value) | (q_action > value)


def better_than_value(*, critic: str = "critic", value: str = "value"):
    """A weight for rows: 1 where the first critic puts the data's action above the state's value, else 0."""

    def weight(parts: Parts, batch: Batch) -> Float[Array, " batch"]:
        q = jax.vmap(parts[critic])(batch.obs, batch.action)[:, 0]
        return (q > jax.vmap(parts[value])(batch.obs)).astype(jnp.float32)

    return weight


def guided_policy(
    alpha: float | Array = 2.5,
    pull: float | Array = 0.5,
    *,
    actor: str = "actor",
    critic: str = "critic",
    value: str = "value",
    autoencoder: str = "autoencoder",
) -> Loss:
    """A2PR's actor loss: TD3+BC's with the guide in place of the data's action. Trains `actor`; draws `proposal`.

    The autoencoder's proposal is its reconstruction of the actor's own action.

    **Source:** Liu et al. (A2PR), arXiv:2405.19909, section 4.
    """

    def guided(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        model, rows = parts[autoencoder], batch.reward.shape[0]
        action = jax.vmap(parts[actor])(batch.obs).mode()
        noise = jax.random.normal(named(key, "proposal"), (rows, model.latent))
        proposal = jax.vmap(model.reconstruct)(batch.obs, action, noise)[0]

        def worth(actions: Array) -> Array:
            return jax.lax.stop_gradient(jax.vmap(parts[critic])(batch.obs, actions)[:, 0])

        state_value = jax.lax.stop_gradient(jax.vmap(parts[value])(batch.obs))
        target, good = guide(batch.action, proposal, worth(batch.action), worth(proposal), state_value)
        error = jnp.square(action - target).mean(axis=tuple(range(1, action.ndim)))
        tether = average(batch, pull * error * good)
        q = jax.vmap(parts[critic])(batch.obs, action)[:, 0]
        aux = {f"{actor}/q_mean": q.mean(), f"{actor}/guided": good.astype(jnp.float32).mean()}
        return tether - normalised_by_size(q, alpha, batch), aux

    return guided


def value_of_slow_actor(
    noise: float = 0.2,
    clip: float = 0.5,
    *,
    actor: str = "actor/slow",
    critic: str = "critic",
    slow: str = "critic/slow",
    value: str = "value",
) -> Loss:
    """Move `value` to the one-step return of the slow actor, by the lowest of all four members, live and slow.

    Trains `value`; shares the draw `target_noise` with TD3's critic loss.

    **Source:** the authors' code of Liu et al. (A2PR), arXiv:2405.19909.
    """

    def towards(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        next_action = jax.vmap(parts[actor])(batch.next_obs).mode()
        draw = noise * jax.random.normal(named(key, "target_noise"), next_action.shape)
        next_action = smoothed_action(next_action, draw, clip=clip)
        members = [jax.vmap(parts[name])(batch.next_obs, next_action) for name in (critic, slow)]
        lowest = jnp.concatenate(members, axis=-1).min(axis=-1)
        target = jax.lax.stop_gradient(batch.reward + batch.discount * lowest)
        prediction = jax.vmap(parts[value])(batch.obs)
        return average(batch, jnp.square(prediction - target)), {f"{value}/mean": prediction.mean()}

    return towards
