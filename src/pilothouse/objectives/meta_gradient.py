"""Gradients through a step: what a guide is worth is how well its pupil does after learning from it.

GILD learns a loss of imitation, GORL a weight for each row. The pupil takes one step of plain gradient descent on what the
guide said; the guide learns by the gradient through it.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.cloning import squared_action_loss
from pilothouse.objectives.weighting import average

Imitation = Callable[[Parts, Float[Array, "batch *action"], Batch], Float[Array, " batch"]]
"""`imitation(parts, the actor's actions, the rows shown) -> loss by row`."""


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


def cloned(weight: float | Array) -> Imitation:
    """Imitation by the squared error to the action shown, times `weight`."""
    return lambda parts, action, shown: weight * squared_action_loss(action, shown.action)


def learned(parts: Parts, action: Float[Array, "batch *action"], shown: Batch) -> Float[Array, " batch"]:
    """Imitation by what the part `guide` makes of the actor's action, the observation and the action shown."""
    return jax.vmap(parts["guide"])(action, shown.obs, shown.action)


def imitate_and_improve(imitation: Imitation) -> Loss:
    """Climb the critic where we have been (`batch.lived`), and imitate what was shown (`batch.shown`). Trains `actor`.

    Draws nothing; the critic's first member is climbed.

    **Source:** the actor's loss of arXiv:2501.07346, and with `cloned` that of DDPG or TD3 from demonstrations.
    """

    def guided(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        value = _value(parts, parts["actor"], batch.lived)
        action = jax.vmap(parts["actor"])(batch.shown.obs).mode()
        loss = average(batch.shown, imitation(parts, action, batch.shown))
        return loss - value, {"actor/q_mean": value, "actor/imitation_loss": loss}

    return guided


def outdo_cloning(rate: float | Array, pull: float | Array = 1.0) -> Loss:
    r"""$-\tanh(Q_{learned} - Q_{cloned})$: values after one step on the learned imitation, and on cloning. Trains `guide`.

    Both actors step from the same place, by the same batch, and are valued on rows that neither step saw
    (`batch.unseen`). Draws nothing.

    **Source:** "Enhancing Online Reinforcement Learning with Meta-Learned Objective from Offline Data",
    arXiv:2501.07346, and the authors' code.
    """

    def outdo(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        def after(imitation: Imitation) -> Scalar:
            loss = imitate_and_improve(imitation)
            actor = stepped(lambda actor: loss({**parts, "actor": actor}, batch, key)[0], parts["actor"], rate)
            return _value(parts, actor, batch.unseen)

        gain = after(learned) - jax.lax.stop_gradient(after(cloned(pull)))
        return -jnp.tanh(gain), {"guide/gain": gain}

    return outdo


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


def _value(parts: Parts, actor: Callable, rows: Batch) -> Scalar:
    action = jax.vmap(actor)(rows.obs).mode()
    return average(rows, jax.vmap(parts["critic"])(rows.obs, action)[:, 0])
