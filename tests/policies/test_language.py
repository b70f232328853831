"""Language models as policies: what is drawn, under which distribution, and where a text ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

from pilothouse.core.batch import Batch
from pilothouse.networks.transformer import Transformer, TransformerConfig
from pilothouse.policies.language import PAD, Decoding, greedy_text, sampled_text
from pilothouse.rollout.collect import collect_fresh
from pilothouse.worlds.arithmetic import EOS, VOCABULARY, Arithmetic

KEY, TEXTS, LONGEST = jax.random.key(2), 32, 6
WORLD = Arithmetic(digits=1, operations="+", prompt=7, longest=LONGEST)  # two places of room: every prompt is padded
SMALL = TransformerConfig(VOCABULARY, width=16, layers=2, heads=2, key_value_heads=1, feedforward=16)
MODEL = Transformer(SMALL, key=jax.random.key(0))
MODEL = jax.tree.map(lambda x: x * (8.0 if x.ndim == 2 else 1.0), MODEL)  # away from the near-uniform start
TASKS = jax.vmap(WORLD.sample_task)(jax.random.split(jax.random.key(1), TEXTS))


@jax.jit
def write(policy: Decoding, key: Array, tasks: Batch = TASKS, world: Arithmetic = WORLD) -> Batch:
    """One text for each task: rows `(LONGEST, TEXTS)`."""
    return collect_fresh(policy, world, tasks, TEXTS, LONGEST, key)[0]


@jax.jit
def draw_first(policy: Decoding, task: Batch, keys: Array) -> Int[Array, " draw"]:
    """The first token of a text, again and again."""
    carry = policy.reset(None, task, keys[0])
    obs = {"token": task.prompt[-1], "position": jnp.asarray(len(task.prompt) - 1)}
    return jax.vmap(lambda key: policy(obs, carry, key)[0])(keys)


@jax.jit
def one_pass(tokens: Int[Array, "time text"]) -> Float[Array, "time text token"]:
    """Logits before each token written, from prompt and text at once and without a cache."""
    whole = jnp.concatenate([TASKS.prompt, tokens.T], axis=1)
    first = TASKS.prompt.shape[1]
    mask = (whole != PAD) | (jnp.arange(whole.shape[1]) >= first)  # a PAD that was written is a token as any other
    return jnp.swapaxes(jax.vmap(MODEL)(whole, mask)[:, first - 1 : -1], 0, 1)


def of(log_probs: Float[Array, "time text token"], tokens: Int[Array, "time text"]) -> np.ndarray:
    return np.take_along_axis(np.asarray(log_probs), np.asarray(tokens)[..., None], axis=-1)[..., 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_sampled_from_the_cache_is_remembered_as_one_pass_says_at_that_temperature(temperature: float) -> None:
    rows = write(sampled_text("policy", LONGEST, temperature)({"policy": MODEL}), KEY)
    said = of(jax.nn.log_softmax(one_pass(rows.action) / temperature), rows.action)
    np.testing.assert_allclose(rows.log_prob, said, atol=2e-5)
    otherwise = of(jax.nn.log_softmax(one_pass(rows.action) * temperature), rows.action)
    assert temperature == 1.0 or np.abs(rows.log_prob - otherwise).max() > 0.1


def test_greedy_from_the_cache_takes_the_likeliest_token_of_one_pass_whatever_the_key() -> None:
    policy = greedy_text("policy", LONGEST)({"policy": MODEL})
    rows = write(policy, KEY)
    logits = one_pass(rows.action)
    np.testing.assert_array_equal(rows.action, logits.argmax(axis=-1))
    np.testing.assert_allclose(rows.log_prob, jax.nn.log_softmax(logits).max(axis=-1), atol=2e-5)
    np.testing.assert_array_equal(rows.action, write(policy, jax.random.key(3)).action)


def test_cold_texts_are_the_greedy_ones() -> None:
    cold = write(sampled_text("policy", LONGEST, 1e-4)({"policy": MODEL}), KEY)
    greedy = write(greedy_text("policy", LONGEST)({"policy": MODEL}), KEY)
    np.testing.assert_array_equal(cold.action, greedy.action)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_tokens_come_as_often_as_the_tempered_distribution_says(temperature: float) -> None:
    policy = sampled_text("policy", LONGEST, temperature)({"policy": MODEL})
    task, draws = jax.tree.map(lambda x: x[0], TASKS), 20_000
    tokens = draw_first(policy, task, jax.random.split(jax.random.key(4), draws))
    logits = one_pass(jnp.full((LONGEST, TEXTS), EOS))[0, 0]  # before anything is written
    expected = np.asarray(jax.nn.softmax(logits / temperature))
    found = np.bincount(tokens, minlength=VOCABULARY) / draws
    # Four standard errors of a share.
    np.testing.assert_array_less(np.abs(found - expected), 4 * np.sqrt(expected * (1 - expected) / draws) + 1e-3)


def test_equal_keys_write_equal_texts_and_neighbours_write_their_own() -> None:
    policy = sampled_text("policy", LONGEST)({"policy": MODEL})
    one, same, other = (write(policy, jax.random.key(seed)).action for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert (np.asarray(one) != np.asarray(other)).any()
    shared = jax.tree.map(lambda x: jnp.broadcast_to(x[0], x.shape), TASKS)  # a group: one prompt for all
    rows = write(policy, jax.random.key(5), shared)
    assert len(np.unique(np.asarray(rows.action).T, axis=0)) > TEXTS / 2


def test_a_text_ends_with_its_first_eos_or_where_the_room_does() -> None:
    rows = write(sampled_text("policy", LONGEST, 3.0)({"policy": MODEL}), jax.random.key(7))
    action, valid, terminated = (np.asarray(x).T for x in (rows.action, rows.valid, rows.terminated))
    stopped = 0
    for tokens, inside, ended in zip(action, valid, terminated, strict=True):
        first = np.flatnonzero(tokens == EOS)
        length = first[0] + 1 if first.size else LONGEST  # the EOS itself counts: it is an action that was drawn
        stopped += length < LONGEST
        np.testing.assert_array_equal(inside, np.arange(LONGEST) < length)
        np.testing.assert_array_equal(ended, np.arange(LONGEST) == length - 1)
    assert 0 < stopped < TEXTS  # both ways to end were seen
    assert not np.asarray(rows.truncated).any()


def test_the_prompts_padding_changes_nothing() -> None:
    # The same problems in a room of 7 and of 5: the greedy texts and their log-probabilities agree.
    close = Arithmetic(digits=1, operations="+", prompt=5, longest=LONGEST)
    policy = greedy_text("policy", LONGEST)({"policy": MODEL})
    wide, narrow = write(policy, KEY), write(policy, KEY, TASKS.replace(prompt=TASKS.prompt[:, 2:]), close)
    np.testing.assert_array_equal(TASKS.prompt[:, :2], PAD)
    np.testing.assert_array_equal(wide.action, narrow.action)
    np.testing.assert_allclose(wide.log_prob, narrow.log_prob, atol=2e-5)
