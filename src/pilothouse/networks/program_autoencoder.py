"""Programs as points: an autoencoder of rows of words that follow a grammar, whose latent also says what a program does."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.networks.distributions import Categorical, Gaussian
from pilothouse.networks.mlp import Linear
from pilothouse.networks.recurrent import GatedUnit

LEAST, MOST = -5.0, 2.0
"""Logarithms of standard deviations are kept within these."""


@runtime_checkable
class WordsAllowed(Protocol):
    """A grammar that is read word by word: what may come next, and what was read after one more. Hashable."""

    @property
    def vocabulary(self) -> int: ...

    @property
    def length(self) -> int: ...

    def start(self) -> Any: ...

    def allowed(self, state: Any) -> Bool[Array, " words"]: ...

    def read(self, state: Any, word: Int[Array, ""]) -> Any: ...


class ProgramAutoencoder(eqx.Module):
    """A program -> a normal over latents; a latent -> a program of the grammar, and what it does given what is perceived.

    All three are gated recurrent units. Latents are unbounded, near a standard normal; what reads them sees their
    hyperbolic tangents.

    **Source:** Liu et al. (HPRL), arXiv:2301.12950, section 4.1, by the authors' code; Trivedi et al. (LEAPS),
    arXiv:2108.13643, section 4.1.
    """

    words: Float[Array, "words width"]
    encoder: GatedUnit
    recognise: Linear
    begin: Linear
    decoder: GatedUnit
    say: Linear
    behaviour: GatedUnit
    do: Linear
    grammar: WordsAllowed = eqx.field(static=True)
    actions: int = eqx.field(static=True)

    def __init__(
        self, grammar: WordsAllowed, actions: int, perceptions: int, latent: int, width: int, *, key: PRNGKeyArray
    ):
        words, encoder, recognise, begin, decoder, say, behaviour, do = jax.random.split(key, 8)
        self.words = 0.1 * jax.random.normal(words, (grammar.vocabulary, width))
        self.encoder = GatedUnit(width, width, key=encoder)
        self.recognise = Linear(width, 2 * latent, key=recognise)
        self.begin = Linear(latent, width, key=begin)
        self.decoder = GatedUnit(width + latent, width, key=decoder)
        self.say = Linear(width + latent, grammar.vocabulary, key=say)
        self.behaviour = GatedUnit(latent + perceptions + actions + 1, width, key=behaviour)
        self.do = Linear(width + latent, actions + 1, key=do)
        self.grammar, self.actions = grammar, actions

    def posterior(self, program: Int[Array, " length"]) -> Gaussian:
        """Which latents stand for a program."""

        def one(state: tuple[Array, Any], word: Array) -> tuple[tuple[Array, Any], None]:
            h, reading = state
            # Nothing is heard after the program's end, however long its row.
            h = jnp.where(reading.ended, h, self.encoder(self.words[word], h))
            return (h, self.grammar.read(reading, word)), None

        first = (jnp.zeros(self.words.shape[1]), self.grammar.start())
        (h, _), _ = jax.lax.scan(one, first, program)
        mean, log_std = jnp.split(self.recognise(h), 2)
        return Gaussian(mean, jnp.clip(log_std, LEAST, MOST))

    def word_log_probs(
        self, latent: Float[Array, " latent"], program: Int[Array, " length"]
    ) -> tuple[Float[Array, " length"], Bool[Array, " length"]]:
        """The log-probability of each word after those before it, among the words allowed there; and whether it counts: up
        to the program's end."""
        z = jnp.tanh(latent)

        def one(state: tuple[Array, Array, Any], word: Array) -> tuple[tuple[Array, Array, Any], tuple[Array, Array]]:
            h, last, reading = state
            h, told = self._next(h, last, z, reading)
            return (h, word, self.grammar.read(reading, word)), (told.log_prob(word), ~reading.ended)

        return jax.lax.scan(one, self._first(z), program)[1]

    def decode(self, latent: Float[Array, " latent"]) -> Int[Array, " length"]:
        """The program that a latent stands for: the likeliest allowed word, time after time."""
        z = jnp.tanh(latent)

        def one(state: tuple[Array, Array, Any], _: None) -> tuple[tuple[Array, Array, Any], Array]:
            h, last, reading = state
            h, told = self._next(h, last, z, reading)
            word = told.mode().astype(jnp.int32)
            return (h, word, self.grammar.read(reading, word)), word

        return jax.lax.scan(one, self._first(z), length=self.grammar.length)[1]

    def action_log_probs(
        self, latent: Float[Array, " latent"], perceived: Float[Array, "steps seen"], acted: Int[Array, " steps"]
    ) -> Float[Array, " steps"]:
        """The log-probability of each action of a run (`actions` stands for its end), given what was perceived until then
        and the actions before."""
        z = jnp.tanh(latent)
        before = jax.nn.one_hot(jnp.concatenate([jnp.full(1, self.actions), acted[:-1]]), self.actions + 1)

        def one(h: Array, given: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            seen, last, action = given
            h = self.behaviour(jnp.concatenate([z, seen, last]), h)
            return h, Categorical(self.do(jnp.concatenate([h, z]))).log_prob(action)

        return jax.lax.scan(one, jnp.zeros(self.words.shape[1]), (perceived, before, acted))[1]

    def _first(self, z: Array) -> tuple[Array, Array, Any]:
        return jnp.tanh(self.begin(z)), jnp.zeros((), jnp.int32), self.grammar.start()

    def _next(self, h: Array, last: Array, z: Array, reading: Any) -> tuple[Array, Categorical]:
        h = self.decoder(jnp.concatenate([self.words[last], z]), h)
        return h, Categorical(self.say(jnp.concatenate([h, z])), self.grammar.allowed(reading))


def program_autoencoder(grammar: WordsAllowed, actions: int, perceptions: int, latent: int, width: int) -> Initialise:
    """How a `ProgramAutoencoder` is made."""
    return lambda key: ProgramAutoencoder(grammar, actions, perceptions, latent, width, key=key)
