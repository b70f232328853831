"""Language models as policies: the action is the next token, the carry is the cache of keys and values."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.networks.transformer import Cache, Transformer
from pilothouse.policies.policy import Carry, Extra, Policy

PAD = 0
"""The token that fills prompts on the left and completions on the right, in every token world of ours."""


class Decoding(eqx.Module):
    """Writes one token at a time. Observes `token` (the newest) and `position` (its place), as token worlds show.

    `reset` fills the cache with all of the task's prompt but its last token, which is the first observation.
    Temperature 0 takes the likeliest token. Remembers `log_prob`, always under the distribution drawn from.
    """

    model: Transformer
    temperature: Float[Array, ""] | float
    longest: int = eqx.field(static=True)
    greedy: bool = eqx.field(static=True, default=False)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Cache:
        del carry, key
        prompt = task["prompt"][:-1]
        return self.model.prefill(prompt, prompt != PAD, len(prompt) + 1 + self.longest)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        logits, carry = self.model.decode(obs["token"], obs["position"], carry)
        scaled = jax.nn.log_softmax(logits if self.greedy else logits / self.temperature)
        token = jnp.argmax(scaled) if self.greedy else jax.random.categorical(key, scaled)
        return token.astype(jnp.int32), carry, {"log_prob": scaled[token]}


def sampled_text(part: str, longest: int, temperature: float | Array = 1.0) -> Callable[[Parts], Policy]:
    """Draws every token from the model of this part."""
    return lambda parts: Decoding(parts[part], temperature, longest)


def greedy_text(part: str, longest: int) -> Callable[[Parts], Policy]:
    """Takes the likeliest token of the model of this part."""
    return lambda parts: Decoding(parts[part], 1.0, longest, greedy=True)
