"""A reward learned from which of two stretches of behaviour was preferred, and objectives that learn by it.

The reward of a step is the mean over members of tanh(output), each in (-1, 1); the part `reward` gives the outputs.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch


def stretch_returns(
    reward: PyTree, obs: Float[Array, "stretch time *obs"], action: Float[Array, "stretch time *action"]
) -> Float[Array, "stretch members"]:
    """What each member thinks a stretch came to: the sum of its rewards, undiscounted."""
    return jnp.tanh(jax.vmap(jax.vmap(reward))(obs, action)).sum(axis=1)


def stretch_margin(parts: Parts, batch: Batch) -> Float[Array, "pairs members"]:
    """By how much `batch.chosen` came to more than `batch.rejected`, by each member of `reward`: the log-odds of the choice.

    With the logistic loss at `beta=1` this is the likelihood of Bradley and Terry's model, each member's by itself.

    **Source:** Christiano et al., arXiv:1706.03741, section 2.2.3.
    """
    chosen, rejected = (
        stretch_returns(parts["reward"], side.obs, side.action) for side in (batch.chosen, batch.rejected)
    )
    return chosen - rejected


def judged(loss: Loss) -> Loss:
    """`loss` with the learned reward of each row in place of the world's. The reward carries no gradient."""

    def inner(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        reward = jnp.tanh(jax.vmap(parts["reward"])(batch.obs, batch.action)).mean(axis=-1)
        value, aux = loss(parts, batch.replace(reward=jax.lax.stop_gradient(reward)), key)
        return value, {**aux, "reward/mean": reward.mean()}

    inner.__name__ = getattr(loss, "__name__", "loss")
    return inner
