"""Losses that move a value towards what follows: temporal differences, and Monte-Carlo returns.

A batch's `discount` is already raised to the duration and 0 where the episode terminated, so the target is always
`reward + discount * value of next_obs`; a time limit still bootstraps. Targets carry no gradient.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import FORBIDDEN
from pilothouse.networks.encoders import mask_in
from pilothouse.objectives.weighting import average


def squared_td_loss(
    prediction: Float[Array, "*batch members"], target: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Squared error against one target, summed over the members of an ensemble. Units: squared return.

    The gradient reaches `prediction` only.
    """
    return jnp.square(prediction - jax.lax.stop_gradient(target)[..., None]).sum(axis=-1)


def huber_td_loss(
    prediction: Float[Array, "*batch"], target: Float[Array, "*batch"], *, delta: float | Array = 1.0
) -> Float[Array, "*batch"]:
    """Half the squared error within `delta` of the target, a line of slope `delta` beyond. The target is a constant.

    **Source:** Mnih et al., doi:10.1038/nature14236, methods, "training details" (error clipping, delta 1).
    """
    gap = jnp.abs(prediction - jax.lax.stop_gradient(target))
    return jnp.where(gap <= delta, 0.5 * gap**2, delta * (gap - 0.5 * delta))


def soft_target(
    reward: Float[Array, "*batch"],
    discount: Float[Array, "*batch"],
    next_q: Float[Array, "*batch members"],
    next_log_prob: Float[Array, "*batch"],
    alpha: Float[Array, ""],
) -> Float[Array, "*batch"]:
    """Reward plus the discounted soft value: the lowest member, less `alpha` times the log-probability.

    **Source:** Haarnoja et al., arXiv:1812.05905, equations 3 and 5, with the minimum of two critics.
    """
    return reward + discount * (next_q.min(axis=-1) - alpha * next_log_prob)


def smoothed_action(
    action: Float[Array, "*shape"], noise: Float[Array, "*shape"], *, clip: float
) -> Float[Array, "*shape"]:
    """`action` plus noise clipped to +-`clip`, kept within [-1, 1].

    **Source:** Fujimoto, van Hoof and Meger, arXiv:1802.09477, equation 14.
    """
    return jnp.clip(action + jnp.clip(noise, -clip, clip), -1.0, 1.0)


def soft_td(
    parts: Parts,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    actor: str = "actor",
    critic: str = "critic",
    slow: str = "critic/slow",
    log_alpha: str = "log_alpha",
) -> tuple[Scalar, Aux]:
    """SAC's critic loss: half the squared error to the entropy-regularised target. Trains `critic`.

    Reads `actor`, the slow critic and `log_alpha`. Draws `next_action`.

    **Source:** Haarnoja et al., arXiv:1812.05905, equation 5.
    """
    next_action, next_log_prob = jax.vmap(parts[actor])(batch.next_obs).sample_and_log_prob(named(key, "next_action"))
    next_q = jax.vmap(parts[slow])(batch.next_obs, next_action)
    target = soft_target(batch.reward, batch.discount, next_q, next_log_prob, jnp.exp(parts[log_alpha]))
    q = jax.vmap(parts[critic])(batch.obs, batch.action)
    return 0.5 * average(batch, squared_td_loss(q, target)), _about(critic, q, target)


def td3_td(
    noise: float = 0.2,
    clip: float = 0.5,
    *,
    actor: str = "actor/slow",
    critic: str = "critic",
    slow: str = "critic/slow",
) -> Loss:
    """TD3's critic loss: twin minimum at the slow actor's action under clipped noise. Trains `critic`.

    `noise` is the standard deviation in unit actions; draws `target_noise`.

    **Source:** Fujimoto, van Hoof and Meger, arXiv:1802.09477, algorithm 1.
    """

    def td3(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        next_action = jax.vmap(parts[actor])(batch.next_obs).mode()
        draw = noise * jax.random.normal(named(key, "target_noise"), next_action.shape)
        next_q = jax.vmap(parts[slow])(batch.next_obs, smoothed_action(next_action, draw, clip=clip))
        target = batch.reward + batch.discount * next_q.min(axis=-1)
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        return average(batch, squared_td_loss(q, target)), _about(critic, q, target)

    return td3


def q_on_value(
    parts: Parts, batch: Batch, key: PRNGKeyArray, *, critic: str = "critic", value: str = "value"
) -> tuple[Scalar, Aux]:
    """IQL's critic loss: squared error to `reward + discount * value(next_obs)`. Trains `critic`; draws nothing.

    **Source:** Kostrikov, Nair and Levine, arXiv:2110.06169, equation 6.
    """
    del key
    target = batch.reward + batch.discount * jax.vmap(parts[value])(batch.next_obs)
    q = jax.vmap(parts[critic])(batch.obs, batch.action)
    return average(batch, squared_td_loss(q, target)), _about(critic, q, target)


def q_on_value_huber(delta: float | Array = 1.0, *, critic: str = "critic", value: str = "value") -> Loss:
    """IQL's critic loss by Huber's: beyond `delta` of the target an error pulls no harder. Mean over members, over `delta`.

    Trains `critic`; draws nothing.

    **Source:** Yang et al. (RIQL), arXiv:2310.12955, section 5.2; divided by `delta` as in the authors' code, so that the
    slope beyond is 1.
    """

    def robust(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        target = batch.reward + batch.discount * jax.vmap(parts[value])(batch.next_obs)
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        each = huber_td_loss(q, jnp.broadcast_to(target[:, None], q.shape), delta=delta)
        loss = each.mean(axis=-1) / delta
        return average(batch, loss), _about(critic, q, target)

    return robust


def value_error(
    parts: Parts, batch: Batch, key: PRNGKeyArray, *, value: str = "value", slow: str | None = None
) -> tuple[Scalar, Aux]:
    """One-step temporal-difference error of a state value. Trains `value`; bootstraps from `slow`, or from itself."""
    del key
    target = batch.reward + batch.discount * jax.vmap(parts[slow or value])(batch.next_obs)
    prediction = jax.vmap(parts[value])(batch.obs)
    loss = average(batch, squared_td_loss(prediction[:, None], target))
    return loss, {f"{value}/mean": prediction.mean(), f"{value}/td_error": jnp.abs(prediction - target)}


def value_to_return(parts: Parts, batch: Batch, key: PRNGKeyArray, *, value: str = "value") -> tuple[Scalar, Aux]:
    """Monte-Carlo: squared error of a state value to `batch.return_`. Trains `value`."""
    del key
    prediction = jax.vmap(parts[value])(batch.obs)
    loss = average(batch, squared_td_loss(prediction[:, None], batch.return_))
    return loss, {f"{value}/mean": prediction.mean()}


def q_to_return(parts: Parts, batch: Batch, key: PRNGKeyArray, *, critic: str = "critic") -> tuple[Scalar, Aux]:
    """Monte-Carlo: squared error of action values to `batch.return_`. Trains `critic`."""
    del key
    q = jax.vmap(parts[critic])(batch.obs, batch.action)
    return average(batch, squared_td_loss(q, batch.return_)), _about(critic, q, batch.return_)


def greedy_value(
    values: Float[Array, "*batch choices"],
    chooser: Float[Array, "*batch choices"],
    mask: Bool[Array, "*batch choices"] | None = None,
) -> Float[Array, "*batch"]:
    """`values` at the choice that `chooser` ranks highest among those that `mask` allows."""
    ranked = chooser if mask is None else jnp.where(mask, chooser, FORBIDDEN)
    return chosen(values, jnp.argmax(ranked, axis=-1))


def chosen(values: Float[Array, "*batch choices"], action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The entry of `values` that each integer action names."""
    return jnp.take_along_axis(values, action[..., None], axis=-1)[..., 0]


def dqn_td(delta: float = 1.0, *, critic: str = "critic", slow: str = "critic/slow") -> Loss:
    """Deep Q-learning: Huber error to the best allowed next action by the slow network. Trains `critic`.

    **Source:** Mnih et al., doi:10.1038/nature14236, algorithm 1.
    """

    def dqn(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        next_q = jax.vmap(parts[slow])(batch.next_obs)
        following = greedy_value(next_q, next_q, mask_in(batch.next_obs))
        return _huber(parts[critic], critic, batch, following, delta)

    return dqn


def double_dqn_td(delta: float = 1.0, *, critic: str = "critic", slow: str = "critic/slow") -> Loss:
    """Double deep Q-learning: the live network chooses the next action, the slow one values it. Trains `critic`.

    **Source:** van Hasselt, Guez and Silver, arXiv:1509.06461, equation 4.
    """

    def double_dqn(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        chooser, values = jax.vmap(parts[critic])(batch.next_obs), jax.vmap(parts[slow])(batch.next_obs)
        following = greedy_value(values, chooser, mask_in(batch.next_obs))
        return _huber(parts[critic], critic, batch, following, delta)

    return double_dqn


def _huber(network, name: str, batch: Batch, following: Array, delta: float) -> tuple[Scalar, Aux]:
    target = batch.reward + batch.discount * following
    q = chosen(jax.vmap(network)(batch.obs), batch.action)
    return average(batch, huber_td_loss(q, target, delta=delta)), _about(name, q[:, None], target)


def _about(name: str, q: Float[Array, "batch members"], target: Float[Array, " batch"]) -> Aux:
    """Metrics of a critic, and each row's mean absolute error as feedback for priorities."""
    error = jnp.abs(q - target[:, None]).mean(axis=-1)
    return {f"{name}/q_mean": q.mean(), f"{name}/target_mean": target.mean(), f"{name}/td_error": error}
