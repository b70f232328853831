"""Acting by an improvement of a behaviour that is worked out at each step, and by no trained policy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.objectives.closed_form import furthest, joined, lower_bound, radii
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy

RARE = 0.05
"""Components of less weight than this are no behaviour, as the authors have it."""


class ClosedForm(Memoryless):
    """The best action within `slack` nats of a mixture's behaviour, where values are linear near each mean.

    Proposed are the furthest action from each component's mean, and from the mean of all; of these the one is taken whose
    value, less `pessimism` standard deviations over the critic's members, is highest.

    **Source:** Li et al. (CFPI), arXiv:2211.15956, algorithm 1.
    """

    behaviour: Callable[[PyTree], Any]
    critic: Callable[[PyTree, PyTree], Float[Array, " members"]]
    slack: Float[Array, ""] | float
    pessimism: Float[Array, ""] | float

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        mixture, shape = self.behaviour(obs), self.behaviour.shape  # type: ignore

        def value(action: Float[Array, " action"]) -> Float[Array, ""]:
            return lower_bound(self.critic(obs, jnp.clip(action, -1, 1).reshape(shape)), self.pessimism)

        slope = jax.grad(value)
        apart = jax.vmap(lambda mean, log_std, r: furthest(mean, jnp.exp(2 * log_std), slope(mean), r))
        each = apart(mixture.means, mixture.log_stds, radii(mixture, self.slack))
        mean, variance, square = joined(mixture, self.slack)
        together = furthest(mean, variance, slope(mean), jnp.sqrt(jnp.maximum(square, 0.0)))
        actions = jnp.clip(jnp.concatenate([each, together[None]]), -1, 1)
        allowed = jnp.concatenate([mixture.log_weights >= jnp.log(RARE), (square >= 0)[None]])
        best = jnp.argmax(jnp.where(allowed, jax.vmap(value)(actions), -jnp.inf))
        return actions[best].reshape(shape), carry, {}


def closed_form(
    behaviour: str, critic: str, slack: float | Array, pessimism: float | Array = 1.0
) -> Callable[[Parts], Policy]:
    """The policy over the mixture and the critic held in these parts."""
    return lambda parts: ClosedForm(parts[behaviour], parts[critic], slack, pessimism)
