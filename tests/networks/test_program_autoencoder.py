"""The autoencoder of programs: its words are a distribution over the grammar's programs, and its answers belong to it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.networks.program_autoencoder import ProgramAutoencoder, program_autoencoder
from pilothouse.worlds.karel_language import Grammar, follows, parsed

ACTIONS, SEEN, KEY = 5, 4, jax.random.key(0)


def made(grammar: Grammar) -> ProgramAutoencoder:
    return program_autoencoder(grammar, ACTIONS, SEEN, 3, 8)(KEY)


def test_probabilities_of_all_programs_sum_to_one() -> None:
    """Of two words at most there are 5 of one word and 25 of two."""
    network = made(Grammar(2, 1))
    rows = jnp.array(list(itertools.product(range(network.grammar.vocabulary), repeat=2)))
    programs = rows[jax.vmap(lambda row: follows(Grammar(2, 1), row))(rows)]
    assert len(programs) == 30
    log_prob, counts = jax.vmap(network.word_log_probs, in_axes=(None, 0))(jnp.ones(3), programs)
    assert float(jnp.exp(jnp.where(counts, log_prob, 0.0).sum(axis=1)).sum()) == pytest.approx(1.0, abs=1e-5)
    # The likeliest word after the likeliest word is what a latent is decoded into.
    first = jax.vmap(lambda word: network.word_log_probs(jnp.ones(3), jnp.array([word, 0]))[0][0])(jnp.arange(1, 6))
    assert network.decode(jnp.ones(3))[0] == 1 + first.argmax()


def test_whatever_the_latent_a_program_is_decoded() -> None:
    grammar = Grammar(9, 2)
    network = made(grammar)
    network = jax.tree.map(lambda x: 3 * x, network)  # louder, so that latents differ
    programs = jax.jit(jax.vmap(network.decode))(3 * jax.random.normal(KEY, (200, 3)))
    assert jax.vmap(lambda program: follows(grammar, program))(programs).all()
    assert len({bytes(row) for row in np.asarray(programs)}) > 10


def test_nothing_is_heard_or_counted_after_the_end() -> None:
    text = "while front_is_clear { move }"
    short, long = (made(Grammar(length, 2)) for length in (4, 9))
    programs = jnp.asarray(parsed(text, 4)), jnp.asarray(parsed(text, 9))
    heard = [network.posterior(program).mean for network, program in zip((short, long), programs, strict=True)]
    np.testing.assert_allclose(heard[0], heard[1], rtol=1e-5)
    _, counts = long.word_log_probs(jnp.ones(3), programs[1])
    np.testing.assert_array_equal(counts, [True] * 4 + [False] * 5)  # three words of a loop, and the end


def test_actions_are_foretold_from_what_came_before_them_alone() -> None:
    network = made(Grammar(4, 1))
    seen, acted = jax.random.uniform(KEY, (6, SEEN)), jnp.array([0, 1, 2, 3, 4, 5])

    def log_probs(seen: jax.Array, acted: jax.Array) -> jax.Array:
        return network.action_log_probs(jnp.ones(3), seen, acted)

    every = jnp.stack([log_probs(seen, acted.at[3].set(action)) for action in range(ACTIONS + 1)])
    assert float(jnp.exp(every[:, 3]).sum()) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(every[:, :3], every[:1, :3].repeat(6, axis=0), rtol=1e-6)
    assert (np.ptp(every[:, 4]) > 1e-5) and not np.allclose(log_probs(seen.at[3].add(1.0), acted)[3:], every[3, 3:])
