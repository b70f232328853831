"""Losses of models of a world: what follows a step, what reward it brings, whether it ends the episode."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.weighting import average


def reward_error(*, model: str = "reward") -> Loss:
    """Squared error of each member of a reward model `(obs, action) -> (members,)`, summed over members. Trains `model`.

    Rows may have any number of leading axes. Draws nothing.
    """

    def reward(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        predict = parts[model]
        for _ in batch.reward.shape:
            predict = jax.vmap(predict)
        gap = predict(batch.obs, batch.action) - batch.reward[..., None]
        loss = average(batch, jnp.square(gap).sum(axis=-1))
        return loss, {f"{model}/error": loss}

    return reward


def ending_error(*, model: str = "ending") -> Loss:
    """Cross-entropy of logits `(obs, action) -> (members,)` that a step terminates, summed over members. Trains `model`."""

    def ending(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        logits = jax.vmap(parts[model])(batch.obs, batch.action)
        over = batch.terminated.astype(jnp.float32)[:, None]
        loss = average(batch, (jax.nn.softplus(logits) - over * logits).sum(axis=-1))
        return loss, {f"{model}/error": loss}

    return ending


def action_error(*, model: str = "inverse") -> Loss:
    """Minus the mean log-density of what was done, by inverse dynamics `(past, obs, next_obs) -> distribution`. Trains `model`.

    The batch has `past`; a model that looks at no earlier observation is given an empty one. Draws nothing.

    **Source:** Zheng et al. (SS-ORL), arXiv:2210.06518, section 3.
    """

    def inverse(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        loss = average(batch, -acted(parts[model], batch).log_prob(batch.action))
        return loss, {f"{model}/error": loss}

    return inverse


def acted(model: Any, batch: Batch) -> Any:
    """What inverse dynamics say was done in each row."""
    past = batch.past if "past" in batch else batch.obs[:, None][:, :0]
    return jax.vmap(model)(past, batch.obs, batch.next_obs)


def said_reward(*, model: str = "reward") -> Callable[[Parts, Batch], PyTree]:
    """The mean over the members of a reward model, for rows whose reward is missing."""
    return lambda parts, rows: jax.vmap(parts[model])(rows.obs, rows.action).mean(axis=-1)


def said_action(*, model: str = "inverse") -> Callable[[Parts, Batch], PyTree]:
    """The likeliest action by inverse dynamics, for rows whose action is missing."""
    return lambda parts, rows: acted(parts[model], rows).mode()


def gaussian_error(
    mean: Float[Array, "*batch outputs"],
    log_std: Float[Array, "*batch outputs"],
    target: Float[Array, "*batch outputs"],
) -> Float[Array, "*batch"]:
    r"""Mean over outputs of $(target - mean)^2 / \sigma^2 + \log \sigma^2$: twice a normal's negative log-likelihood, less a constant."""
    return (jnp.square((target - mean) * jnp.exp(-log_std)) + 2.0 * log_std).mean(axis=-1)


def dynamics_target(batch: Batch) -> Float[Array, "batch outputs"]:
    """What an ensemble of dynamics is to say of each row: the change of the observation, then the reward."""
    return jnp.concatenate([batch.next_obs - batch.obs, batch.reward[:, None]], axis=-1)


def dynamics_error(tightness: float = 0.01, *, model: str = "model") -> Loss:
    """`gaussian_error` summed over members, and `tightness` times the width of the bounds on log variances. Trains `model`.

    **Source:** Chua et al. (PETS), arXiv:1805.12114, equation 1 and appendix A.1, as in Yu et al. (MOPO), arXiv:2005.13239.
    """

    def dynamics(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        mean, log_std = jax.vmap(parts[model])(batch.obs, batch.action)
        error = gaussian_error(mean, log_std, jnp.broadcast_to(dynamics_target(batch)[:, None], mean.shape))
        lowest, highest = 2.0 * parts[model].bounds
        about = {f"{model}/likelihood_error": error.mean(), f"{model}/deviation": jnp.exp(log_std).mean()}
        return average(batch, error.sum(axis=-1)) + tightness * (highest - lowest).sum(), about

    return dynamics
