"""Losses for policies that generate their actions from noise, and are led by a critic while they imitate the data."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.generative import Generator, sampled_from
from pilothouse.objectives.cloning import squared_action_loss
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.objectives.weighting import average


def generated_td(generator: Callable[[Parts], Generator], *, critic: str = "critic", slow: str = "critic/slow") -> Loss:
    """Squared error to the lowest slow value of a next action that `generator(parts)` draws. Trains `critic`.

    Draws `next_action`.

    **Source:** Wang, Hunt and Zhou (Diffusion-QL), arXiv:2208.06193, equation 4.
    """

    def td(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        next_action = sampled_from(generator(parts))(batch.next_obs, named(key, "next_action"))
        next_q = jax.vmap(parts[slow])(batch.next_obs, next_action)
        target = batch.reward + batch.discount * next_q.min(axis=-1)
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        return average(batch, squared_td_loss(q, target)), {f"{critic}/q_mean": q.mean()}

    return td


def value_of_member(q: Float[Array, "batch members"], batch: Batch, scale: float | Array, key: PRNGKeyArray) -> Scalar:
    """The mean value by one member, drawn for the batch, times `scale` over that member's mean size. No gradient in it.

    **Source:** Wang, Hunt and Zhou, arXiv:2208.06193, equation 3, as their code and that of EDP have it.
    """
    member = q[:, jax.random.randint(named(key, "member"), (), 0, q.shape[1])]
    return scale * average(batch, member) / jax.lax.stop_gradient(average(batch, jnp.abs(member)))


def one_shot_policy(alpha: float | Array = 2.0, *, actor: str = "actor", critic: str = "critic") -> Loss:
    """EDP: predict the noise mixed into the data's action, and climb the critic at the action that this prediction gives.

    Noise and guidance share one forward pass of the actor at one random step; no chain is run. Trains `actor`; draws
    `step`, `noise` and `member`.

    **Source:** Kang et al. (EDP), arXiv:2305.20081, equations 10 and 11.
    """

    def efficient_diffusion(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        network = parts[actor]
        noise, noisy, step, predicted = _predicted(network, batch, key)
        action = jax.vmap(network.one_shot)(noisy, predicted, step)
        q = jax.vmap(parts[critic])(batch.obs, action)
        cloning = average(batch, squared_action_loss(predicted, noise))
        aux = {f"{actor}/noise_loss": cloning, f"{actor}/q_mean": q.mean()}
        return cloning - value_of_member(q, batch, alpha, key), aux

    return efficient_diffusion


def climb(alpha: float | Array = 1.0, *, actor: str = "actor", critic: str = "critic") -> Loss:
    """Draw an action from the actor, and climb the critic there through all that the drawing takes.

    Trains `actor`; draws `action` and `member`.

    **Source:** Wang, Hunt and Zhou, arXiv:2208.06193, equation 3, its second term.
    """

    def climbing(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        action = sampled_from(parts[actor])(batch.obs, named(key, "action"))
        q = jax.vmap(parts[critic])(batch.obs, action)
        return -value_of_member(q, batch, alpha, key), {f"{actor}/q_mean": q.mean()}

    return climbing


def chain_policy(alpha: float | Array = 2.0, *, actor: str = "actor", critic: str = "critic") -> Loss:
    """Diffusion-QL: predict the noise, and climb the critic through the whole chain of a generated action.

    Trains `actor`; draws `step`, `noise`, `action` and `member`.

    **Source:** Wang, Hunt and Zhou, arXiv:2208.06193, equation 3.
    """

    def diffusion_q(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        noise, _, _, predicted = _predicted(parts[actor], batch, key)
        cloning = average(batch, squared_action_loss(predicted, noise))
        downhill, aux = climb(alpha, actor=actor, critic=critic)(parts, batch, key)
        return cloning + downhill, {**aux, f"{actor}/noise_loss": cloning}

    return diffusion_q


def _predicted(network, batch: Batch, key: PRNGKeyArray) -> tuple[Array, Array, Array, Array]:
    """The noise drawn, the action that it was mixed into, the step, and the noise that the network sees there."""
    step = jax.random.randint(named(key, "step"), (batch.action.shape[0],), 0, network.steps)
    noise = jax.random.normal(named(key, "noise"), batch.action.shape)
    noisy = jax.vmap(network.corrupt)(batch.action, noise, step)
    return noise, noisy, step, jax.vmap(network.noise_prediction)(batch.obs, noisy, step)
