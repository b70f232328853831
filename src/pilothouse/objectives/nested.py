"""Fitted Q-iteration on values that two groups share in part."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.temporal_difference import chosen, greedy_value, squared_td_loss
from pilothouse.objectives.weighting import average

Values = Callable[[Parts], Callable[[Float[Array, " obs"]], Float[Array, " choices"]]]
"""From the parts to a network of one value per action."""


def fitted_td(values: Values, held: Values, *, name: str) -> Loss:
    """Squared error of the values of the actions done to the reward and the best value that follows by the `held` ones.

    Trains what the objective names of the parts behind `values`; draws nothing.

    **Source:** Ernst, Geurts and Wehenkel, "Tree-Based Batch Mode Reinforcement Learning", JMLR 6, 2005.
    """

    def fitted(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        following = jax.vmap(held(parts))(batch.next_obs)
        target = batch.reward + batch.discount * greedy_value(following, following)
        q = chosen(jax.vmap(values(parts))(batch.obs), batch.action)
        loss = average(batch, squared_td_loss(q[:, None], target))
        return loss, {f"{name}/q_mean": q.mean(), f"{name}/target_mean": target.mean()}

    fitted.__name__ = f"fitted_{name}"
    return fitted
