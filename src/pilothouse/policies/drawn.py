"""Acting by what a generator draws, one action a step."""

from collections.abc import Callable

from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.networks.generative import Generator
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class Drawn(Memoryless):
    """Does what its generator (`sample(obs, key)`) draws."""

    generator: Generator

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        return self.generator.sample(obs, key), carry, {}


def drawn_from(generator: Callable[[Parts], Generator]) -> Callable[[Parts], Policy]:
    """The policy that draws from the generator made of these parts."""
    return lambda parts: Drawn(generator(parts))
