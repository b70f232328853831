"""Asymmetric losses: a state value moved towards the better of the actions in the data."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.member_choice import OfMembers, lowest
from pilothouse.objectives.weighting import average

Asymmetric = Callable[[Float[Array, " batch"], Float[Array, " batch"]], Float[Array, " batch"]]

STEEPEST = 5.0
"""Exponents above this continue as a line: one outlier would otherwise be the whole gradient."""


def expectile_loss(
    prediction: Float[Array, " batch"], target: Float[Array, " batch"], *, expectile: float | Array
) -> Float[Array, " batch"]:
    r"""Squared error with unequal sides: $|\tau - 1[u<0]|\,u^2$, where $u$ = target - prediction.

    Raising $\tau$ above one half moves the minimiser from the mean of the targets towards their maximum.

    **Arguments:**
    - `prediction`: shape `(batch,)`, return units (discounted sum of rewards). Carries the gradient.
    - `target`: same shape and units; treated as a constant.
    - `expectile`: $\tau$ in (0, 1), no unit; 0.5 gives half the squared error. Range checked by the recipe.

    **Returns:** per-sample loss `(batch,)`, squared return units; not averaged, masks belong to the caller.

    **Source:** the loss $L_2^\tau$ of Kostrikov, Nair and Levine, arXiv:2110.06169, section 4.1.
    """
    gap = jax.lax.stop_gradient(target) - prediction
    return jnp.where(gap < 0, 1.0 - expectile, expectile) * gap**2


def quantile_loss(
    prediction: Float[Array, " batch"], target: Float[Array, " batch"], *, quantile: float | Array
) -> Float[Array, " batch"]:
    r"""Absolute error with unequal sides: $|\tau - 1[u<0]|\,|u|$. Its minimiser is the $\tau$-quantile of the targets.

    Shapes, units and gradients as in `expectile_loss`.

    **Source:** Hansen-Estruch et al. (IDQL), arXiv:2304.10573, section 4.
    """
    gap = jax.lax.stop_gradient(target) - prediction
    return jnp.where(gap < 0, 1.0 - quantile, quantile) * jnp.abs(gap)


def exponential_loss(
    prediction: Float[Array, " batch"], target: Float[Array, " batch"], *, sharpness: float | Array
) -> Float[Array, " batch"]:
    r"""$e^{\alpha u} - \alpha u$, a line above $\alpha u = 5$. Its minimiser is the soft maximum of the targets,
    $\log E[e^{\alpha\,target}]/\alpha$, and the implied policy is the behaviour times $e^{\alpha A}$.

    Shapes and gradients as in `expectile_loss`; the loss has no unit.

    **Source:** Hansen-Estruch et al. (IDQL), arXiv:2304.10573, section 4.
    """
    scaled = sharpness * (jax.lax.stop_gradient(target) - prediction)
    gentle = jnp.minimum(scaled, STEEPEST)
    grown = jnp.exp(gentle)
    return grown + jnp.exp(STEEPEST) * (scaled - gentle) - scaled


def value_expectile(
    expectile: float | Array = 0.7, *, value: str = "value", slow: str = "critic/slow", of: OfMembers = lowest
) -> Loss:
    """Move `value` to an upper expectile of the slow critic's lower value. Trains `value`; draws nothing.

    `of` says which value the critic's members stand for.
    """
    return value_towards(
        lambda v, q: expectile_loss(v, q, expectile=expectile), value=value, slow=slow, of=of, name="value_expectile"
    )


def value_quantile(quantile: float | Array = 0.7, *, value: str = "value", slow: str = "critic/slow") -> Loss:
    """Move `value` to a quantile of the slow critic's lower value. Trains `value`; draws nothing."""
    return value_towards(
        lambda v, q: quantile_loss(v, q, quantile=quantile), value=value, slow=slow, name="value_quantile"
    )


def value_exponential(sharpness: float | Array = 1.0, *, value: str = "value", slow: str = "critic/slow") -> Loss:
    """Move `value` to the soft maximum of the slow critic's lower value. Trains `value`; draws nothing."""
    return value_towards(
        lambda v, q: exponential_loss(v, q, sharpness=sharpness), value=value, slow=slow, name="value_exponential"
    )


def value_towards(
    loss: Asymmetric,
    *,
    value: str = "value",
    slow: str = "critic/slow",
    of: OfMembers = lowest,
    name: str = "value_towards",
) -> Loss:
    """Move `value` towards the slow critic at the data's actions, by any per-sample loss of the two. Trains `value`."""

    def objective(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        q = of(jax.vmap(parts[slow])(batch.obs, batch.action))
        v = jax.vmap(parts[value])(batch.obs)
        aux = {f"{value}/mean": v.mean(), f"{value}/advantage_mean": (q - v).mean()}
        return average(batch, loss(v, q)), aux

    objective.__name__ = name
    return objective
