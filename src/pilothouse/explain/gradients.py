"""What moves an action: gradients of a policy's action with respect to what it observed.

Each works on a plain function from one flat observation to numbers, so that it serves any differentiable policy, value
or loss. `action_of` makes such a function of a policy. All are pure and `vmap` over observations.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.policies.policy import Carry, Policy

Function = Callable[[Float[Array, " features"]], Float[Array, " outputs"]]


def action_of(policy: Policy, carry: Carry, key: PRNGKeyArray) -> Function:
    """The flat action that a policy takes at an observation, with its memory and its dice held fixed."""

    def function(obs: Float[Array, " features"]) -> Float[Array, " outputs"]:
        return jnp.ravel(policy(obs, carry, key)[0]).astype(jnp.float32)

    return function


def gradient(function: Function, obs: Float[Array, " features"]) -> Float[Array, "outputs features"]:
    """The Jacobian: how much each output moves with each feature, in outputs' units a unit of the feature."""
    return jax.jacrev(function)(obs)


def integrated_gradients(
    function: Function, obs: Float[Array, " features"], baseline: Float[Array, " features"], *, steps: int = 64
) -> Float[Array, "outputs features"]:
    """Shares of `function(obs) - function(baseline)`, one for each feature, by the path straight from one to the other.

    The midpoint rule with `steps` points: the shares add up to the difference but for its error, which falls with the
    square of `steps`.

    **Source:** Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", arXiv:1703.01365.
    """
    places = (jnp.arange(steps) + 0.5) / steps
    along = jax.vmap(lambda share: gradient(function, baseline + share * (obs - baseline)))(places)
    return along.mean(axis=0) * (obs - baseline)


def smooth_gradient(
    function: Function,
    obs: Float[Array, " features"],
    scale: Float[Array, " features"] | float,
    key: PRNGKeyArray,
    *,
    samples: int = 64,
) -> Float[Array, "outputs features"]:
    """The gradient, averaged over normal noise of deviation `scale` added to the observation.

    Noise comes in pairs of opposite sign, so that what is even in it cancels.

    **Source:** Smilkov et al., "SmoothGrad: removing noise by adding noise", arXiv:1706.03825; the pairs are ours.
    """
    noise = jax.random.normal(key, ((samples + 1) // 2, *obs.shape)) * scale
    noise = jnp.concatenate([noise, -noise])
    return jax.vmap(lambda moved: gradient(function, obs + moved))(noise).mean(axis=0)
