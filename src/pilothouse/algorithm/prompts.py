"""Tasks for language: groups of environments that share a prompt."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.core.keys import named


def draw_prompts(prompts: int, tries: int) -> Callable[[Parts, PRNGKeyArray], PyTree]:
    """Tasks for `prompts × tries` environments: `tries` neighbours share a prompt, drawn from the data `prompts`."""

    def draw(parts: Parts, key: PRNGKeyArray) -> PyTree:
        bank = parts["prompts"]
        chosen = jax.random.randint(named(key, "prompts"), (prompts,), 0, jax.tree.leaves(bank)[0].shape[0])
        return jax.tree.map(lambda x: jnp.repeat(x[chosen], tries, axis=0), bank)

    return draw
