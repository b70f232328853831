"""A causal transformer over returns-to-go, observations and actions, that says what to do next.

One stretch of an episode in, `vmap` outside. Each step is three tokens: what is still to be earned, what is observed,
what was done; the action of a step is read off its observation's token, which sees no action of its own step.

Source: Chen et al., "Decision Transformer", arXiv:2106.01345, figure 1 and appendix A; the blocks are GPT's, with the
layer normalisation in front (Radford et al., 2019).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import Box, Discrete, Space, Spec
from pilothouse.networks.distributions import Categorical, Deterministic
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.mlp import LayerNorm, Linear


def dropout(x: Array, rate: float | Array, key: PRNGKeyArray | None) -> Array:
    """Entries at 0 with probability `rate`, the others made larger so that the mean stays. As it is without a key."""
    if key is None:
        return x
    # Sixteen bits a draw: half the cost of a uniform number, and a rate exact to 1 in 65,536.
    kept = jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.float32) >= 65_536 * jnp.asarray(rate)
    return jnp.where(kept, x / (1.0 - rate), 0.0)


class AttentionBlock(eqx.Module):
    """Attention to what is allowed, then two dense layers, each normalised first and added to what came in.

    Keys have no bias: it would add one number to all scores of a query, which a softmax does not see.
    """

    before_attention: LayerNorm
    query: Linear
    key: Float[Array, "width width"]
    value: Linear
    output: Linear
    before_dense: LayerNorm
    widen: Linear
    narrow: Linear
    heads: int = eqx.field(static=True)

    def __init__(self, width: int, heads: int, *, key: PRNGKeyArray):
        keys = jax.random.split(key, 6)
        self.query, self.value, self.output = (_small(width, width, key=k) for k in keys[:3])
        self.key = _small(width, width, key=keys[3]).weight
        self.widen, self.narrow = _small(width, 4 * width, key=keys[4]), _small(4 * width, width, key=keys[5])
        self.before_attention, self.before_dense = LayerNorm(width), LayerNorm(width)
        self.heads = heads

    def __call__(
        self,
        x: Float[Array, "token width"],
        allowed: Bool[Array, "token token"],
        rate: float | Array,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "token width"]:
        keys = (None,) * 3 if key is None else jax.random.split(key, 3)
        normed = self.before_attention(x)
        given = (self.query(normed), normed @ self.key, self.value(normed))
        query, keyed, value = (part.reshape(len(x), self.heads, -1) for part in given)
        scores = jnp.einsum("thd,shd->hts", query, keyed) / math.sqrt(query.shape[-1])
        weights = dropout(jax.nn.softmax(jnp.where(allowed, scores, -1e9), axis=-1), rate, keys[0])
        mixed = jnp.einsum("hts,shd->thd", weights, value).reshape(x.shape)
        x = x + dropout(self.output(mixed), rate, keys[1])
        return x + dropout(self.narrow(jax.nn.relu(self.widen(self.before_dense(x)))), rate, keys[2])


class SequenceActor(eqx.Module):
    """A stretch of an episode -> a distribution over the action at each of its steps.

    `longest` is how many steps of an episode have a place of their own; later ones share the last. Box actions are the
    tanh of the output, Discrete ones a softmax over it.
    """

    encoder: Encoder
    action_encoder: Encoder
    embed_return: Linear
    embed_obs: Linear
    embed_action: Linear
    embed_step: Float[Array, "longest width"]
    embed_norm: LayerNorm
    blocks: tuple[AttentionBlock, ...]
    final_norm: LayerNorm
    head: Linear
    space: Space = eqx.field(static=True)

    def __init__(
        self, spec: Spec, width: int = 128, layers: int = 3, heads: int = 1, longest: int = 1000, *, key: PRNGKeyArray
    ):
        if width % heads:
            raise SettingError(f"width={width}, heads={heads}; expected a width that the heads divide evenly.")
        if not isinstance(spec.action, Discrete) and not (isinstance(spec.action, Box) and spec.action.bounded):
            raise SpaceError(
                f"A sequence actor takes bounded Box or Discrete actions, and these are {spec.action.kind}."
            )
        keys = jax.random.split(key, 7 + layers)
        self.encoder, self.action_encoder = Encoder(spec.obs, key=keys[0]), Encoder(spec.action, key=keys[1])
        self.embed_return = Linear(1, width, key=keys[2])
        self.embed_obs = Linear(self.encoder.size, width, key=keys[3])
        self.embed_action = Linear(self.action_encoder.size, width, key=keys[4])
        self.embed_step = 0.02 * jax.random.normal(keys[5], (longest, width))
        self.head = Linear(width, spec.action.size, key=keys[6])
        self.blocks = tuple(AttentionBlock(width, heads, key=k) for k in keys[7:])
        self.embed_norm, self.final_norm = LayerNorm(width), LayerNorm(width)
        self.space = spec.action

    def __call__(
        self,
        to_go: Float[Array, " step"],
        obs: PyTree,
        action: PyTree,
        step: Int[Array, " step"],
        valid: Bool[Array, " step"],
        *,
        rate: float | Array = 0.0,
        key: PRNGKeyArray | None = None,
    ) -> Deterministic | Categorical:
        """Leading axes `[step]`. Steps that are not `valid` are attended to by no one. With a key, dropout is on."""
        keys = [None] * (1 + len(self.blocks)) if key is None else list(jax.random.split(key, 1 + len(self.blocks)))
        place = self.embed_step[jnp.minimum(step, len(self.embed_step) - 1)]
        tokens = (
            self.embed_return(to_go[:, None]),
            self.embed_obs(jax.vmap(self.encoder)(obs)),
            self.embed_action(jax.vmap(self.action_encoder)(action)),
        )
        x = jnp.stack([token + place for token in tokens], axis=1).reshape(3 * len(to_go), -1)
        order, seen = jnp.arange(len(x)), jnp.repeat(valid, 3)
        allowed = (order[:, None] >= order[None]) & seen[None]
        x = dropout(self.embed_norm(x), rate, keys[0])
        for block, block_key in zip(self.blocks, keys[1:], strict=True):
            x = block(x, allowed, rate, block_key)
        outputs = self.head(self.final_norm(x)[1::3])
        if isinstance(self.space, Discrete):
            return Categorical(outputs)
        shape = self.space.shape  # pyright: ignore[reportAttributeAccessIssue]
        return Deterministic(jnp.tanh(outputs).reshape(-1, *shape), len(shape))


def sequence_actor(spec: Spec, width: int = 128, layers: int = 3, heads: int = 1, longest: int = 1000) -> Initialise:
    """A causal transformer over returns-to-go, observations and actions."""
    return lambda key: SequenceActor(spec, width, layers, heads, longest, key=key)


def _small(inputs: int, outputs: int, *, key: PRNGKeyArray) -> Linear:
    """Normal weights of deviation 0.02 and no bias, as GPT begins."""
    layer = Linear(inputs, outputs, key=key)
    weights = 0.02 * jax.random.normal(key, (inputs, outputs))
    return eqx.tree_at(lambda one: (one.weight, one.bias), layer, (weights, jnp.zeros(outputs)))
