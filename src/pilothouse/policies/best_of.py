"""Drawing several actions and taking the one that a critic values most."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class BestOf(Memoryless):
    """Of `number` actions of a generator (`sample(obs, key)`), the one whose lowest value is highest.

    **Source:** Hansen-Estruch et al. (IDQL), arXiv:2304.10573, section 5, as they evaluate.
    """

    generator: Any
    critic: Callable[[PyTree, PyTree], Any]
    number: int = eqx.field(static=True)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        actions = jax.vmap(lambda own: self.generator.sample(obs, own))(jax.random.split(key, self.number))
        values = jax.vmap(lambda action: self.critic(obs, action).min())(actions)
        return jax.tree.map(lambda x: x[jnp.argmax(values)], actions), carry, {}


def best_of(generator: str, critic: str, number: int) -> Callable[[Parts], Policy]:
    """The policy over the generator and the critic held in these parts."""
    return lambda parts: BestOf(parts[generator], parts[critic], number)
