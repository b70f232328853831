"""Gradients through a step: what a guide is worth is how well its pupil does after learning from it.

The pupil takes one step of plain gradient descent on what the guide said; the guide learns by the gradient through it.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.cloning import squared_action_loss
from pilothouse.objectives.weighting import average


def stepped(loss: Callable[[PyTree], Scalar], part: PyTree, rate: float | Array) -> PyTree:
    """`part` after one step of gradient descent on `loss`; differentiable by all that the loss depends on."""
    arrays, rest = eqx.partition(part, eqx.is_inexact_array)
    gradient = jax.grad(lambda moved: loss(eqx.combine(moved, rest)))(arrays)
    return eqx.combine(jax.tree.map(lambda x, g: x - rate * g, arrays, gradient), rest)


def on(name: str, loss: Loss) -> Loss:
    """`loss` on the sub-batch of this name (`data.batches.Both`)."""

    def inner(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        return loss(parts, batch[name], key)

    inner.__name__ = getattr(loss, "__name__", "loss")
    return inner


def weighed_td3_bc(alpha: float | Array = 2.5) -> Loss:
    """TD3+BC's loss with the tether of each row of `batch.rows` weighed by the part `guide`. Trains `actor`.

    The guide sees the row's two losses, without gradient. Draws nothing.

    **Source:** Yang et al. (GORL), arXiv:2309.01448.
    """

    def weighed(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        rows = batch.rows
        action = jax.vmap(parts["actor"])(rows.obs).mode()
        q = jax.vmap(parts["critic"])(rows.obs, action)[:, 0]
        improvement = -alpha * q / jax.lax.stop_gradient(average(rows, jnp.abs(q)))
        tether = squared_action_loss(action, rows.action)
        weight = jax.vmap(parts["guide"])(*jax.lax.stop_gradient((improvement, tether)))
        aux = {"guide/weight_mean": weight.mean(), "guide/weight_deviation": weight.std(), "actor/q_mean": q.mean()}
        return average(rows, improvement + weight * tether), aux

    return weighed


def come_nearer_to_experts(rate: float | Array, alpha: float | Array = 2.5) -> Loss:
    """How far the actor is from the experts' actions (`batch.expert`) after one weighed step. Trains `guide`.

    **Source:** Yang et al. (GORL), arXiv:2309.01448.
    """
    loss = weighed_td3_bc(alpha)

    def nearer(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        actor = stepped(lambda actor: loss({**parts, "actor": actor}, batch, key)[0], parts["actor"], rate)
        action = jax.vmap(actor)(batch.expert.obs).mode()
        away = average(batch.expert, squared_action_loss(action, batch.expert.action))
        return away, {"guide/expert_loss": away}

    return nearer
