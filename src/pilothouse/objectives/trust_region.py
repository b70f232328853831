"""Trust regions: how far a policy has gone from the one before it, and a multiplier that keeps it near."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import kl
from pilothouse.objectives.terms import Evaluated, Forward, Term, kl_from_beside


def multiplier_loss(
    multiplier: Float[Array, ""],
    divergence: Float[Array, "*batch"],
    *,
    bound: float | Array,
    slack: float | Array = 1.0,
) -> Float[Array, ""]:
    r"""$\beta(\epsilon - C \max D)$: descent raises the multiplier while `slack` times the largest is above the bound.

    The gradient reaches `multiplier` only, at the rate of the excess; `divergence` and `bound` are in nats.

    **Source:** the loss of the multiplier in Zentner et al. (FixPO), arXiv:2312.05405, in the form of the authors' code.
    """
    return multiplier * jax.lax.stop_gradient(bound - slack * divergence.max())


def bound_by_multiplier(
    forward: Forward, bound: float | Array, slack: float | Array = 1.0, *, multiplier: str = "beta"
) -> Loss:
    """Move `multiplier` until `slack` times the batch's largest KL(beside, live) is at the bound. Trains `multiplier`.

    `forward` is that of `evaluate(…, beside=<the policy before>)`. Nothing here keeps the multiplier above 0: that is
    its optimiser's (`optax.keep_params_nonnegative`).
    """

    def dual(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        divergence, _ = kl_from_beside(forward(parts, batch, key), batch)
        loss = multiplier_loss(parts[multiplier], divergence, bound=bound, slack=slack)
        return loss, {multiplier: parts[multiplier], "policy/largest_kl": divergence.max()}

    return dual


def kl_beyond(bound: float | Array, *, said: str = "beyond") -> Term:
    """KL(beside, live) in nats, which says under the name `said` whether some state of the batch is beyond the bound."""

    def divergence(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
        nats, aux = kl_from_beside(output, batch)
        return nats, aux | {said: (nats > bound).any()}

    return divergence


def largest_divergence(
    parts: Parts, agent: str = "agent", before: str = "before", rollout: str = "rollout"
) -> Float[Array, ""]:
    """The greatest KL(before, now), in nats, over the states of a rollout `(steps, environments)`.

    Both parts are actors with a value. NaN where some state's is.
    """
    obs = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), parts[rollout].obs)
    return jnp.max(kl(jax.vmap(parts[before])(obs)[0], jax.vmap(parts[agent])(obs)[0]))
