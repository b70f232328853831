"""Acting by choice among a few codes, each of which stands for a continuous action here."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class BestCode(Memoryless):
    """Does what the code of the highest value stands for (`quantiser.decode(obs, code)`).

    **Source:** Luo et al. (SAQ), arXiv:2310.11731, by the authors' code.
    """

    critic: Callable[[PyTree], Float[Array, " codes"]]
    quantiser: Any

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        return self.quantiser.decode(obs, jnp.argmax(self.critic(obs))), carry, {}


def best_code(critic: str = "critic", quantiser: str = "quantiser") -> Callable[[Parts], Policy]:
    """The policy over the values of codes and the quantiser held in these parts."""
    return lambda parts: BestCode(parts[critic], parts[quantiser])
