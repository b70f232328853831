"""A decoder-only transformer, as Qwen2's: RMS norms, rotary positions, grouped-query attention, SwiGLU.

One sequence in, `vmap` outside. `Transformer(tokens, mask)` gives the logits of every place at once; `prefill` and
`decode` give the same one token at a time, from a cache of keys and values. Rotary positions are relative, so
left-padding needs nothing but the mask.

Source: Vaswani et al., arXiv:1706.03762; Su et al. (rotary positions), arXiv:2104.09864; Ainslie et al. (grouped
queries), arXiv:2305.13245; Shazeer (SwiGLU), arXiv:2002.05202; put together as in Yang et al. (Qwen2), arXiv:2407.10671.
What Qwen3 (arXiv:2505.09388) and Llama 3 (arXiv:2407.21783) add is there for weights that were trained with it.
"""

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.core.errors import SettingError


@dataclass(frozen=True)
class LongerContext:
    """Llama 3's rotary frequencies for texts longer than those of pretraining, which had `original` places.

    Frequencies that turn less than `low` times over `original` places are divided by `factor`, those that turn more
    than `high` times stay, and between the two the division fades in.
    """

    factor: float
    low: float
    high: float
    original: int


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes. `width` is divided among `heads`, which share `key_value_heads` keys and values.

    `head_width` is `width / heads` unless it is given. `epsilon` is added under the roots of the norms. `tied` models
    read out with their embedding, others have a matrix of their own. With `normed_heads`, each head's query and key
    are normed before they are turned, as Qwen3's.
    """

    vocabulary: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    feedforward: int = 512
    rotary_base: float = 10_000.0
    head_width: int | None = None
    epsilon: float = 1e-6
    tied: bool = True
    normed_heads: bool = False
    longer: LongerContext | None = None

    def __post_init__(self) -> None:
        uneven = self.width % (2 * self.heads) if self.head_width is None else self.head_width % 2
        if uneven or self.heads % self.key_value_heads:
            raise SettingError(
                f"width={self.width}, heads={self.heads}, key_value_heads={self.key_value_heads}; expected a width "
                "divisible by twice the heads, and heads divisible by the heads of keys and values."
            )

    @property
    def head(self) -> int:
        """Width of one head."""
        return self.width // self.heads if self.head_width is None else self.head_width


class Cache(eqx.Module):
    """Keys and values of the places seen so far; `seen` says which places may be attended to."""

    keys: Float[Array, "layer place head width"]
    values: Float[Array, "layer place head width"]
    seen: Bool[Array, " place"]


class Block(eqx.Module):
    """Attention, then a gated feed-forward layer, each added to what came in."""

    before_attention: Float[Array, " width"]
    query: Float[Array, "width queries"]
    query_bias: Float[Array, " queries"]
    key_value: Float[Array, "width pairs"]
    key_value_bias: Float[Array, " pairs"]
    output: Float[Array, "queries width"]
    before_feedforward: Float[Array, " width"]
    gate_up: Float[Array, "width twice"]
    down: Float[Array, "feedforward width"]
    head_norms: tuple[Float[Array, " head"], Float[Array, " head"]] | None
    config: TransformerConfig = eqx.field(static=True)

    def __init__(self, config: TransformerConfig, *, key: PRNGKeyArray):
        def weight(index: int, rows: int, columns: int, scale: float = 1.0) -> Array:
            own = jax.random.fold_in(key, index)
            return 0.02 * scale * jax.random.normal(own, (rows, columns))

        pairs, scale = 2 * config.key_value_heads * config.head, 1 / math.sqrt(2 * config.layers)
        self.before_attention, self.before_feedforward = jnp.ones(config.width), jnp.ones(config.width)
        queries = config.heads * config.head
        self.query, self.query_bias = weight(0, config.width, queries), jnp.zeros(queries)
        self.key_value, self.key_value_bias = weight(1, config.width, pairs), jnp.zeros(pairs)
        self.output = weight(2, queries, config.width, scale)
        self.gate_up = weight(3, config.width, 2 * config.feedforward)
        self.down = weight(4, config.feedforward, config.width, scale)
        self.head_norms = (jnp.ones(config.head), jnp.ones(config.head)) if config.normed_heads else None
        self.config = config

    def project(
        self, x: Float[Array, "time width"], places: Int[Array, " time"]
    ) -> tuple[Float[Array, "time heads head"], Float[Array, "time shared head"], Float[Array, "time shared head"]]:
        """Queries, keys and values at these places, turned by their rotary positions."""
        normed, epsilon = rms_norm(x, self.before_attention, self.config.epsilon), self.config.epsilon
        query = (normed @ self.query + self.query_bias).reshape(len(x), self.config.heads, self.config.head)
        both = (normed @ self.key_value + self.key_value_bias).reshape(len(x), 2, -1, self.config.head)
        key, value = both[:, 0], both[:, 1]
        if self.head_norms is not None:
            query, key = rms_norm(query, self.head_norms[0], epsilon), rms_norm(key, self.head_norms[1], epsilon)
        frequencies = rotary_frequencies(self.config)
        return rotate(query, places, frequencies), rotate(key, places, frequencies), value

    def attend(
        self,
        x: Float[Array, "time width"],
        query: Float[Array, "time heads head"],
        keys: Float[Array, "place shared head"],
        values: Float[Array, "place shared head"],
        allowed: Bool[Array, "time place"],
    ) -> Float[Array, "time width"]:
        """The rest of the block, given what may be attended to."""
        shared = self.config.key_value_heads
        grouped = query.reshape(len(x), shared, -1, self.config.head)
        scores = jnp.einsum("tsgh,psh->sgtp", grouped, keys) / math.sqrt(self.config.head)
        weights = jax.nn.softmax(jnp.where(allowed, scores, -1e30), axis=-1)
        mixed = jnp.einsum("sgtp,psh->tsgh", weights, values).reshape(len(x), -1)
        x = x + mixed @ self.output
        gate, up = jnp.split(rms_norm(x, self.before_feedforward, self.config.epsilon) @ self.gate_up, 2, axis=-1)
        return x + (jax.nn.silu(gate) * up) @ self.down


class Transformer(eqx.Module):
    """A causal language model. `readout` is None where the embedding also reads out."""

    embedding: Float[Array, "vocabulary width"]
    blocks: tuple[Block, ...]
    final: Float[Array, " width"]
    readout: Float[Array, "vocabulary width"] | None
    config: TransformerConfig = eqx.field(static=True)

    def __init__(self, config: TransformerConfig, *, key: PRNGKeyArray):
        embedding_key, *block_keys = jax.random.split(key, config.layers + 1)
        self.embedding = 0.02 * jax.random.normal(embedding_key, (config.vocabulary, config.width))
        self.blocks = tuple(Block(config, key=block_key) for block_key in block_keys)
        self.final = jnp.ones(config.width)
        own = jax.random.fold_in(embedding_key, 1)
        self.readout = None if config.tied else 0.02 * jax.random.normal(own, self.embedding.shape)
        self.config = config

    def __call__(self, tokens: Int[Array, " time"], mask: Bool[Array, " time"]) -> Float[Array, "time vocabulary"]:
        """Logits of what follows each place. Padding (mask False) is attended to by no one."""
        return self.from_embedded(self.embedding[tokens], mask)

    def from_embedded(
        self, x: Float[Array, "time width"], mask: Bool[Array, " time"]
    ) -> Float[Array, "time vocabulary"]:
        """The same from the tokens' embeddings, which gradients are taken by."""
        places = jnp.arange(len(x))
        allowed = (places[:, None] >= places[None]) & mask[None]
        for block in self.blocks:
            query, keys, values = block.project(x, places)
            x = block.attend(x, query, keys, values, allowed)
        return self.read_out(x)

    def read_out(self, x: Float[Array, "time width"]) -> Float[Array, "time vocabulary"]:
        """Logits of what the last block gives."""
        matrix = self.embedding if self.readout is None else self.readout
        return rms_norm(x, self.final, self.config.epsilon) @ matrix.T

    def empty_cache(self, places: int) -> Cache:
        shape = (self.config.layers, places, self.config.key_value_heads, self.config.head)
        return Cache(jnp.zeros(shape), jnp.zeros(shape), jnp.zeros(places, bool))

    def prefill(self, tokens: Int[Array, " time"], mask: Bool[Array, " time"], places: int) -> Cache:
        """A cache with room for `places` places, filled with these first ones."""
        here = jnp.arange(len(tokens))
        allowed = (here[:, None] >= here[None]) & mask[None]
        x, cache, pairs = self.embedding[tokens], self.empty_cache(places), []
        for block in self.blocks:
            query, keys, values = block.project(x, here)
            x = block.attend(x, query, keys, values, allowed)
            pairs.append((keys, values))
        keys, values = (jnp.stack(each) for each in zip(*pairs, strict=True))
        return Cache(
            cache.keys.at[:, : len(tokens)].set(keys),
            cache.values.at[:, : len(tokens)].set(values),
            cache.seen.at[: len(tokens)].set(mask),
        )

    def decode(
        self, token: Int[Array, ""], place: Int[Array, ""], cache: Cache
    ) -> tuple[Float[Array, " vocabulary"], Cache]:
        """Logits of what follows this token at this place, and the cache with it."""
        x, seen = self.embedding[token][None], cache.seen.at[place].set(True)
        all_keys, all_values = cache.keys, cache.values
        for layer, block in enumerate(self.blocks):
            query, keys, values = block.project(x, place[None])
            all_keys = all_keys.at[layer, place].set(keys[0])
            all_values = all_values.at[layer, place].set(values[0])
            x = block.attend(x, query, all_keys[layer], all_values[layer], seen[None])
        return self.read_out(x)[0], Cache(all_keys, all_values, seen)


def rms_norm(
    x: Float[Array, "*batch width"], scale: Float[Array, " width"], epsilon: float = 1e-6
) -> Float[Array, "*batch width"]:
    """Divided by the root of its mean square, times a scale."""
    return x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + epsilon) * scale


def rotary_frequencies(config: TransformerConfig) -> Float[Array, " half"]:
    """Radians a place for each pair of a head's numbers."""
    half = config.head // 2
    frequencies = config.rotary_base ** (-jnp.arange(half) / half)
    if config.longer is None:
        return frequencies
    turns = config.longer.original * frequencies / (2 * math.pi)
    kept = jnp.clip((turns - config.longer.low) / (config.longer.high - config.longer.low), 0.0, 1.0)
    return frequencies * (kept + (1 - kept) / config.longer.factor)


def rotate(
    x: Float[Array, "time heads head"], places: Int[Array, " time"], frequencies: Float[Array, " half"]
) -> Float[Array, "time heads head"]:
    """Rotary positions: the first half of a head is turned against the second by an angle that grows with the place."""
    half = x.shape[-1] // 2
    angles = places[:, None] * frequencies
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def transformer(config: TransformerConfig) -> Initialise:
    """A fresh model of these sizes."""
    return lambda key: Transformer(config, key=key)
