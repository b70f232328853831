"""Drawing several actions and taking the one that a critic values most, or one by its value."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.keys import named
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


class DrawnByValue(Memoryless):
    """Of `number` actions of a generator, one drawn with probability in proportion to exp(`sharpness` x lowest value).

    **Source:** Wang, Hunt and Zhou (Diffusion-QL), arXiv:2208.06193, section 4; Kang et al. (EDP), arXiv:2305.20081,
    section 4.4, as energy-based action selection.
    """

    generator: Any
    critic: Callable[[PyTree, PyTree], Any]
    sharpness: Any
    number: int = eqx.field(static=True)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        actions = jax.vmap(lambda own: self.generator.sample(obs, own))(jax.random.split(key, self.number))
        values = jax.vmap(lambda action: self.critic(obs, action).min())(actions)
        which = jax.random.categorical(named(key, "which"), self.sharpness * values)
        return jax.tree.map(lambda x: x[which], actions), carry, {}


def best_of(generator: str, critic: str, number: int) -> Callable[[Parts], Policy]:
    """The policy over the generator and the critic held in these parts."""
    return lambda parts: BestOf(parts[generator], parts[critic], number)


def drawn_by_value(
    generator: Callable[[Parts], Any], critic: str, number: int, sharpness: float | Array = 1.0
) -> Callable[[Parts], Policy]:
    """The policy that draws among a generator's actions by the value that the critic in this part gives them."""
    return lambda parts: DrawnByValue(generator(parts), parts[critic], sharpness, number)
