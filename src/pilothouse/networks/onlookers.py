"""Onlookers: networks that see the frames of a session, and say after each what the agent in it does next."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.networks.mlp import MLP, Linear
from pilothouse.networks.scene_graph import RelationalLayer, relations
from pilothouse.networks.transformer import Block, TransformerConfig, rms_norm


class GraphOnlooker(eqx.Module):
    """Frames -> after each of them, what node 0, the agent, does next, in view of that frame and all before it.

    A relational layer tells every node what is around it. The agent's node is the frame's token, and a causal transformer
    takes what was in earlier frames into the tokens. Every node of a frame, joined with the agent in it, then asks the
    earlier tokens whether they were about the two of them; a second relational layer tells the agent where the nodes are
    that were spoken of, and what it does is read off that and its token.

    Where a node is is known by its relations alone, so a session that is moved as a whole is answered alike.
    """

    embedding: Linear
    around: RelationalLayer
    blocks: tuple[Block, ...]
    reminder: "Reminder"
    regard: MLP
    towards: RelationalLayer
    head: MLP
    frames: tuple[int, int, int] = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 32, layers: int = 1, *, key: PRNGKeyArray):
        self.frames, self.shape = seen_and_said(spec)
        keys = jax.random.split(key, 7)
        self.embedding = Linear(self.frames[-1] - 2, width, bound=1.0, key=keys[0])
        self.around = RelationalLayer(width, key=keys[1])
        config = TransformerConfig(1, width, layers, heads=2, key_value_heads=2, feedforward=2 * width)
        self.blocks = tuple(Block(config, key=each) for each in jax.random.split(keys[2], layers))
        self.reminder = Reminder(width, key=keys[3])
        self.regard = MLP(2 * width + self.reminder.heads, width, width, 1, jax.nn.gelu, key=keys[4])
        self.towards = RelationalLayer(width, key=keys[5])
        entries = math.prod(self.shape) // self.frames[0]
        self.head = MLP(2 * width, entries, width, 1, jax.nn.gelu, key=keys[6])

    def __call__(self, obs: Float[Array, "*seen"]) -> Deterministic:
        obs = obs.reshape(self.frames)
        there = (obs != 0).any(axis=-1)
        kinds = relations(obs[..., -2:], there)
        x = self.embedding(obs[..., :-2])
        around = self.around(x, x, kinds)
        tokens = self.context(around[:, 0])
        x = self.regard(jnp.concatenate([around, *self.reminder(x + x[:, :1], tokens)], axis=-1))
        agent = jax.nn.gelu(self.towards(x[:, :1], x, kinds[:, :1]))[:, 0]
        said = self.head(jnp.concatenate([agent, tokens], axis=-1))
        return Deterministic(said.reshape(self.shape), len(self.shape))

    def context(self, tokens: Float[Array, "frame width"]) -> Float[Array, "frame width"]:
        """The tokens with what came before each in them."""
        places, x = jnp.arange(len(tokens)), tokens
        for block in self.blocks:
            query, keys, values = block.project(x, places)
            x = block.attend(x, query, keys, values, places[:, None] >= places[None])
        return x


class Reminder(eqx.Module):
    """Nodes of each frame -> how much the tokens of earlier frames speak of them, and what those say.

    Nodes and tokens are compared by their products in one and the same learned space, so at first by how like each other
    they are. `nothing` is how like an answer has to be to count: the only one in the first frame.
    """

    same: Float[Array, "width width"]
    value: Linear
    nothing: Float[Array, " head"]
    heads: int = eqx.field(static=True)

    def __init__(self, width: int, heads: int = 2, *, key: PRNGKeyArray):
        same_key, value_key = jax.random.split(key)
        self.same = jax.random.normal(same_key, (width, width)) * width**-0.5
        self.value = Linear(width, width, key=value_key)
        self.nothing, self.heads = jnp.zeros(heads), heads

    def __call__(
        self, nodes: Float[Array, "frame node width"], tokens: Float[Array, "frame width"]
    ) -> tuple[Float[Array, "frame node width"], Float[Array, "frame node head"]]:
        """What earlier tokens say, weighed by how like the node they are; and the logarithm of the sum of the weights."""
        frames, many, width = nodes.shape
        asked, kept, said = (
            x.reshape(-1, self.heads, width // self.heads)
            for x in (self._compared(nodes), self._compared(tokens), self.value(tokens))
        )
        like = jnp.einsum("qhd,thd->qht", asked, kept) / math.sqrt(width // self.heads)
        earlier = jnp.repeat(jnp.arange(frames), many)[:, None] > jnp.arange(frames)
        like = jnp.where(earlier[:, None], like, -1e30)
        none = jnp.broadcast_to(self.nothing[:, None], (*like.shape[:2], 1))
        like = jnp.concatenate([like, none], axis=-1)
        read = jnp.einsum("qht,thd->qhd", jax.nn.softmax(like, axis=-1)[..., :-1], said)
        return read.reshape(nodes.shape), jax.nn.logsumexp(like, axis=-1).reshape(frames, many, -1)

    def _compared(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        return rms_norm(x, jnp.ones(x.shape[-1])) @ self.same


class PooledOnlooker(eqx.Module):
    """The same question answered by means: of a frame's nodes, each through a perceptron, and of the frames so far."""

    nodes: MLP
    tokens: MLP
    head: MLP
    frames: tuple[int, int, int] = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 32, *, key: PRNGKeyArray):
        self.frames, self.shape = seen_and_said(spec)
        node_key, token_key, head_key = jax.random.split(key, 3)
        self.nodes = MLP(self.frames[-1], width, width, 1, jax.nn.gelu, key=node_key)
        self.tokens = MLP(width, width, width, 1, jax.nn.gelu, key=token_key)
        entries = math.prod(self.shape) // self.frames[0]
        self.head = MLP(2 * width, entries, width, 2, jax.nn.gelu, key=head_key)

    def __call__(self, obs: Float[Array, "*seen"]) -> Deterministic:
        obs = obs.reshape(self.frames)
        there = (obs != 0).any(axis=-1)[..., None]
        frame = (self.nodes(obs) * there).sum(axis=1) / jnp.maximum(there.sum(axis=1), 1)
        so_far = jnp.cumsum(self.tokens(frame), axis=0) / jnp.arange(1, len(frame) + 1)[:, None]
        said = self.head(jnp.concatenate([frame, so_far], axis=-1))
        return Deterministic(said.reshape(self.shape), len(self.shape))


def seen_and_said(spec: Spec) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Frames, nodes and features of what is observed, and the shape of what is said.

    A box of fewer axes is one frame, and one of a single axis one node. The last two features are a node's cell, in
    cells; a node that is not there has zeros alone.

    **Raises:** `SpaceError` unless both are boxes, nodes have three features at least, and something is said of each frame.
    """
    if not isinstance(spec.obs, Box) or not isinstance(spec.action, Box):
        raise SpaceError(f"Onlookers see and say boxes, and these are {spec.obs.kind} and {spec.action.kind}.")
    seen, said = (*[1] * (3 - len(spec.obs.shape)), *spec.obs.shape), spec.action.shape
    if len(seen) != 3 or seen[-1] < 3:
        raise SpaceError(
            f"Onlookers see (frames, nodes, features), of features three or more, and these boxes are {spec.obs.shape}."
        )
    if seen[0] > 1 and said[:1] != seen[:1]:
        raise SpaceError(f"Onlookers say something of each of {seen[0]} frames, and these boxes are {said}.")
    return seen, said


def graph_onlooker(spec: Spec, width: int = 32, layers: int = 1) -> Initialise:
    """Relational layers, and a transformer over frames."""
    return lambda key: GraphOnlooker(spec, width, layers, key=key)


def pooled_onlooker(spec: Spec, width: int = 32) -> Initialise:
    """Perceptrons, and means over nodes and frames."""
    return lambda key: PooledOnlooker(spec, width, key=key)
