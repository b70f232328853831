"""Inverse dynamics: from what was observed before and after, to the distribution of what was done in between."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import MLP


class InverseDynamics(eqx.Module):
    """`back` earlier observations (oldest first), the present and the next -> the action between the last two.

    The action is the tangent of a normal; log deviations lie within `bounds` by another tangent. Observations are flat
    or flattened boxes of real numbers.

    **Source:** Zheng et al. (SS-ORL), arXiv:2210.06518, section 3, and the authors' code.
    """

    body: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        back: int,
        width: int = 256,
        depth: int = 2,
        *,
        bounds: tuple[float, float] = (-5.0, 2.0),
        key: PRNGKeyArray,
    ):
        space = bounded_box(spec, "Inverse dynamics")
        self.body = MLP((back + 2) * spec.obs.size, 2 * space.size, width, depth, key=key)
        self.shape, self.bounds = space.shape, bounds

    def __call__(
        self, past: Float[Array, "back *obs"], obs: Float[Array, "*obs"], next_obs: Float[Array, "*obs"]
    ) -> SquashedGaussian:
        seen = jnp.concatenate([x.reshape(-1) for x in (past, obs, next_obs)])
        mean, raw = jnp.split(self.body(seen), 2)
        low, high = self.bounds
        log_std = low + 0.5 * (high - low) * (jnp.tanh(raw) + 1)
        return SquashedGaussian(mean.reshape(self.shape), log_std.reshape(self.shape), len(self.shape))


def inverse_dynamics(spec: Spec, back: int, width: int = 256, depth: int = 2) -> Initialise:
    """Initialises `InverseDynamics` for bounded Box actions and Box observations."""
    bounded_box(spec, "Inverse dynamics")
    return lambda key: InverseDynamics(spec, back, width, depth, key=key)
