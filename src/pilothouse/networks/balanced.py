"""A family of policies in one network: each for a balance of its own, and a choice of the balance by the state."""

from collections.abc import Callable
from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Spec, box_from_bounds
from pilothouse.networks.actors import Actor, SquashedGaussianActor
from pilothouse.networks.distributions import Distribution

FEATURES = 6
"""How many sines and cosines a balance is shown as."""


def balance_features(balance: Float[Array, ""]) -> Float[Array, " features"]:
    r"""Sines and cosines in turn of $\beta / 10000^{2i/6}$, i = 0, 1, 2: the encoding that positions have in transformers.

    **Source:** Wang et al. (FamO2O), arXiv:2310.17966, by the authors' code.
    """
    angles = balance / 10_000.0 ** (2 * np.arange(FEATURES // 2) / FEATURES)
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=1).reshape(-1)


def with_balance(spec: Spec) -> Spec:
    """The spec whose observations end in a balance's features. Raises `SpaceError` unless they are one flat Box."""
    space = spec.obs
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise SpaceError(f"A balance is shown beside one flat Box, and observations are {space}.")
    low, high = space.bounds()
    ones = np.ones(FEATURES)
    return replace(spec, obs=box_from_bounds(np.append(low, -ones), np.append(high, ones), "float32"))


def chooser_spec(spec: Spec) -> Spec:
    """The spec of who chooses a balance: one number in [-1, 1], to be placed between the lowest and the highest."""
    return replace(spec, action=Box((1,), -1.0, 1.0))


def placed(choice: Float[Array, "*batch 1"], low: float | Array, high: float | Array) -> Float[Array, " *batch"]:
    """The balance that a choice in [-1, 1] stands for."""
    return low + (choice[..., 0] + 1) / 2 * (high - low)


class AtChosenBalance(eqx.Module):
    """Observation -> what the member of the family does whose balance is the likeliest choice here."""

    family: Actor
    chooser: SquashedGaussianActor
    low: Float[Array, ""] | float
    high: Float[Array, ""] | float

    def balance(self, obs: Float[Array, " obs"]) -> Float[Array, ""]:
        """The balance of this state."""
        return placed(self.chooser(obs).mode(), self.low, self.high)

    def __call__(self, obs: Float[Array, " obs"]) -> Distribution:
        return member(self.family, obs, self.balance(obs))


def member(
    family: Callable[[Float[Array, " obs_and_features"]], Distribution],
    obs: Float[Array, " obs"],
    balance: Float[Array, ""],
) -> Distribution:
    """What the family's member of this balance does."""
    return family(jnp.concatenate([obs, balance_features(balance)]))
