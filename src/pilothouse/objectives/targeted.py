"""An adversary that makes a victim act as somebody else would, and weights that tell it where that matters.

The victim is shown the observation moved by `radius` times what the part `adversary` says, entries in [-1, 1].
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.cloning import squared_action_loss
from pilothouse.objectives.meta_gradient import stepped
from pilothouse.objectives.weighting import average


def misled_actions(
    victim: Callable, adversary: Callable, obs: Float[Array, "batch *obs"], radius: float | Array
) -> Float[Array, "batch *action"]:
    """What the victim thinks best when it is shown what the adversary makes of each observation."""
    move = jax.vmap(adversary)(obs).mode()
    return jax.vmap(victim)(obs + radius * move).mode()


def state_weights(weigher: Callable, obs: Float[Array, "batch *obs"], spread: float | Array) -> Float[Array, " batch"]:
    """How much each state counts: 1 + `spread` tanh(output), so between 1 - `spread` and 1 + `spread`."""
    return 1.0 + spread * jnp.tanh(jax.vmap(weigher)(obs))


def act_as_intended(radius: float | Array, spread: float | Array, *, victim: str = "victim/actor") -> Loss:
    """The misled victim's squared distance from what `actor` intends, weighed by `weigher`. Trains `adversary`; draws nothing.

    **Source:** Bai et al. (RAT), arXiv:2412.10713, the inner level, and the authors' code.
    """

    def intended(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        done = misled_actions(parts[victim], parts["adversary"], batch.obs, radius)
        away = squared_action_loss(done, jax.lax.stop_gradient(jax.vmap(parts["actor"])(batch.obs).mode()))
        weight = state_weights(parts["weigher"], batch.obs, spread)
        return average(batch, weight * away), {
            "adversary/distance": away.mean(),
            "weigher/mean": weight.mean(),
            "weigher/deviation": weight.std(),
        }

    return intended


def weigh_what_matters(
    rate: float | Array, radius: float | Array, spread: float | Array, *, victim: str = "victim/actor"
) -> Loss:
    """Minus what the critic thinks of the misled victim's actions, once the adversary has taken one weighed step.

    The critic is the intention's, its lower member; the step is of plain gradient descent by `rate`, on this batch. Trains
    `weigher`, through the step; draws nothing.

    **Source:** Bai et al. (RAT), arXiv:2412.10713, the outer level, and the authors' code.
    """
    inner = act_as_intended(radius, spread, victim=victim)

    def matters(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        def loss(adversary: Callable) -> Scalar:
            return inner({**parts, "adversary": adversary}, batch, key)[0]

        adversary = stepped(loss, parts["adversary"], rate)
        done = misled_actions(parts[victim], adversary, batch.obs, radius)
        value = average(batch, jax.vmap(parts["critic"])(batch.obs, done).min(axis=-1))
        return -value, {"adversary/value": value}

    return matters
