"""Policies that choose in a space of latents, and do what the chosen latent stands for."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class Decoded(Memoryless):
    """What the memoryless `inner` policy chooses, decoded into an action; remembers the choice as `latent`."""

    inner: Policy
    decode: Callable[[Array], PyTree]

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        latent, carry, extra = self.inner(obs, carry, key)
        return self.decode(latent), carry, {**extra, "latent": latent}


class Always(Memoryless):
    """The same action, whatever is observed."""

    action: Any

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del obs, key
        return self.action, carry, {}


def decoded(inner: Callable[[Parts], Policy], autoencoder: str) -> Callable[[Parts], Policy]:
    """The policy made of these parts, its choices decoded by the autoencoder held in one of them."""
    return lambda parts: Decoded(inner(parts), parts[autoencoder].decode)
