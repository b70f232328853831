"""Moving a policy's return to a wanted value, from below or from above."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pilothouse.core.aliases import Aux
from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError
from pilothouse.objectives.terms import Evaluated


def return_to_go(
    reward: Float[Array, "time episode"], valid: Bool[Array, "time episode"]
) -> tuple[Float[Array, "time episode"], Float[Array, "time episode"]]:
    """What each step of whole episodes still brings, undiscounted, and that less its mean over the episodes at that step.

    Both are 0 on rows that are not `valid`. The mean at a step is of the episodes that reach it: where only one does,
    nothing is learned from it.
    """
    to_go = jnp.cumsum(jnp.where(valid, reward, 0.0)[::-1], axis=0)[::-1]
    mean = jnp.where(valid, to_go, 0.0).sum(axis=1, keepdims=True) / jnp.maximum(valid.sum(axis=1, keepdims=True), 1)
    return jnp.where(valid, to_go, 0.0), jnp.where(valid, to_go - mean, 0.0)


def return_target_loss(
    log_prob: Float[Array, "*batch"], advantage: Float[Array, "*batch"], gap: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    r"""A loss with the policy gradient of $(J - R)^2$: $2\,gap\cdot advantage\cdot\log\pi$, with `gap` as $J - R$.

    Where the return is above the target, actions that brought more than usual become less likely; below it, more. Only
    `log_prob` carries a gradient; the value itself means nothing.

    **Source:** Deshmukh et al., arXiv:2307.13192, the gradient of their first term.
    """
    return 2.0 * jax.lax.stop_gradient(gap * advantage) * log_prob


def towards_return(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """`return_target_loss` as a term, on `batch.advantage` and `batch.gap`. Raises `WiringError` where a rollout has none."""
    if "gap" not in batch:
        raise WiringError("The batch has no `gap`; put a rule before the fit that says how far the return is off.")
    return return_target_loss(output.log_prob, batch.advantage, batch.gap), {}
