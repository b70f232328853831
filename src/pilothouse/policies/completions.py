"""Completions of prompts by a language model, many at once: drawn or greedy, with the log-probability of every token."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.errors import SettingError
from pilothouse.networks.transformer import Transformer


class Completions(NamedTuple):
    """What was written behind each prompt, and the log-probability of each token under temperature 1.

    `lengths` counts the tokens of a row up to and with the one that ended it; whatever stands behind is no part of it.
    """

    tokens: Int[np.ndarray, "rows longest"]
    log_probs: Float[np.ndarray, "rows longest"]
    lengths: Int[np.ndarray, " rows"]
    ended: Bool[np.ndarray, " rows"]


def complete(
    model: Transformer,
    prompts: Int[Array, "rows prompt"] | np.ndarray,
    mask: Bool[Array, "rows prompt"] | np.ndarray,
    *,
    ends: tuple[int, ...],
    longest: int,
    temperature: float = 1.0,
    key: PRNGKeyArray,
) -> Completions:
    """Write behind every prompt until a token of `ends`, or `longest` tokens.

    `prompts` are padded on the left, with False in `mask` there; the last token of each row is a real one.
    `temperature` 0 takes the likeliest token. All rows are written together, and no longer than the longest of them
    needs. Raises `SettingError` for a negative temperature or no room to write.
    """
    if not temperature >= 0 or longest < 1:
        raise SettingError(f"temperature={temperature}, longest={longest}; expected at least 0, and at least 1 token.")
    found = _write(
        model,
        jnp.asarray(prompts, jnp.int32),
        jnp.asarray(mask, bool),
        jnp.asarray(ends, jnp.int32),
        jnp.float32(temperature),
        key,
        longest,
    )
    return Completions(*(np.asarray(each) for each in found))


@partial(jax.jit, static_argnames="longest")
def _write(
    model: Transformer, prompts: Array, mask: Array, ends: Array, temperature: Array, key: PRNGKeyArray, longest: int
) -> tuple[Array, Array, Array, Array]:
    rows, room = prompts.shape
    caches = jax.vmap(lambda tokens, real: model.prefill(tokens[:-1], real[:-1], room + longest))(prompts, mask)

    def more(state: tuple) -> Array:
        count, *_, ended = state
        return (count < longest) & ~ended.all()

    def step(state: tuple) -> tuple:
        count, newest, caches, tokens, log_probs, ended = state
        decode = jax.vmap(lambda token, cache: model.decode(token, room - 1 + count, cache))
        logits, caches = decode(newest, caches)
        known = jax.nn.log_softmax(logits.astype(jnp.float32))
        noise = jax.random.gumbel(jax.random.fold_in(key, count), known.shape)
        # The largest of the log-probabilities with Gumbel noise of this scale is a draw at this temperature.
        token = jnp.argmax(known + temperature * noise, axis=-1).astype(jnp.int32)
        sure = jnp.take_along_axis(known, token[:, None], axis=-1)[:, 0]
        tokens = tokens.at[:, count].set(jnp.where(ended, 0, token))
        log_probs = log_probs.at[:, count].set(jnp.where(ended, 0.0, sure))
        return count + 1, token, caches, tokens, log_probs, ended | jnp.isin(token, ends)

    written, zeros = jnp.zeros((rows, longest), jnp.int32), jnp.zeros((rows, longest), jnp.float32)
    start = (jnp.int32(0), prompts[:, -1], caches, written, zeros, jnp.zeros(rows, bool))
    count, _, _, tokens, log_probs, ended = jax.lax.while_loop(more, step, start)
    place = jnp.arange(longest)
    closing = jnp.isin(tokens, ends) & (place < count)
    first = jnp.where(closing.any(axis=1), jnp.argmax(closing, axis=1) + 1, longest)
    return tokens, log_probs, first, ended
