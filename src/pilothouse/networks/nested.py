"""Values of two groups: what they share, and what is the foreground's own. The last entry of an observation is the group."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Spec, box_from_bounds
from pilothouse.networks.critics import QNetwork


def in_foreground(obs: Float[Array, "*batch obs"]) -> Bool[Array, " *batch"]:
    """Whether the last entry is above 0: a label of 0 or 1 as it is, and standardised."""
    return obs[..., -1] > 0


def without_group(spec: Spec) -> Spec:
    """The spec without the last entry of its observations. Raises `SpaceError` unless these are flat, of two entries or more."""
    space = spec.obs
    if not isinstance(space, Box) or len(space.shape) != 1 or space.size < 2:
        raise SpaceError(f"A group is the last of two or more entries of a flat Box, and observations are {space}.")
    low, high = space.bounds()
    return replace(spec, obs=box_from_bounds(low[:-1], high[:-1], space.dtype))


class NestedQ(eqx.Module):
    """Observation -> the value of each action: the shared one, and in the foreground its own added to it.

    Unless `nested`, the foreground's own value stands in place of the shared one. Without an own network the shared one
    is for both groups. Neither network sees the group.

    **Source:** Mandyam, Jones, Laudanski and Engelhardt, arXiv:2110.02879, by the authors' code.
    """

    shared: QNetwork
    own: QNetwork | None = None
    nested: bool = eqx.field(static=True, default=True)

    def __call__(self, obs: Float[Array, " obs"]) -> Float[Array, " choices"]:
        shared = self.shared(obs[:-1])
        if self.own is None:
            return shared
        own = self.own(obs[:-1])
        return jnp.where(in_foreground(obs), shared + own if self.nested else own, shared)
