"""Continuous actions as a few codes whose meaning depends on the observation: a vector-quantised autoencoder."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import MLP


class ActionQuantiser(eqx.Module):
    """(observation, action) -> one of a few codes, and (observation, code) -> an action in (-1, 1).

    An action is embedded together with the observation; its code is the nearest entry of the codebook; a decoder turns the
    entry back into an action. Unless `conditioned`, neither side sees the observation: the codes are the same everywhere.

    **Source:** van den Oord, Vinyals and Kavukcuoglu (VQ-VAE), arXiv:1711.00937, section 3.1; conditioned on the state by
    Luo et al. (SAQ), arXiv:2310.11731.
    """

    encoder: Encoder
    recognise: MLP
    generate: MLP
    codebook: Float[Array, "codes embedding"]
    shape: tuple[int, ...] = eqx.field(static=True)
    conditioned: bool = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        codes: int,
        embedding: int = 128,
        width: int = 256,
        depth: int = 2,
        *,
        conditioned: bool = True,
        key: PRNGKeyArray,
    ):
        encoder_key, recognise_key, generate_key, codebook_key = jax.random.split(key, 4)
        space = bounded_box(spec, "A quantiser of actions")
        self.encoder = Encoder(spec.obs, key=encoder_key)
        features = self.encoder.size
        self.recognise = MLP(features + space.size, embedding, width, depth, key=recognise_key)
        self.generate = MLP(features + embedding, space.size, width, depth, key=generate_key)
        limit = math.sqrt(3 / codes)  # entries of variance 1 / codes, as the authors begin
        self.codebook = jax.random.uniform(codebook_key, (codes, embedding), jnp.float32, -limit, limit)
        self.shape, self.conditioned = space.shape, conditioned

    def embed(self, obs: PyTree, action: Float[Array, "*action"]) -> Float[Array, " embedding"]:
        """Where an action lies before it is rounded to the codebook."""
        return self.recognise(jnp.concatenate([self._seen(obs), action.reshape(-1)]))

    def nearest(self, embedded: Float[Array, " embedding"]) -> Int[Array, ""]:
        """The code whose entry is closest."""
        return jnp.argmin(jnp.square(self.codebook - embedded).sum(axis=-1))

    def code(self, obs: PyTree, action: Float[Array, "*action"]) -> Int[Array, ""]:
        """The code that an action has here."""
        return self.nearest(self.embed(obs, action))

    def generated(self, obs: PyTree, entry: Float[Array, " embedding"]) -> Float[Array, "*action"]:
        """The action that an entry of the codebook stands for here."""
        return jnp.tanh(self.generate(jnp.concatenate([self._seen(obs), entry]))).reshape(self.shape)

    def decode(self, obs: PyTree, code: Int[Array, ""]) -> Float[Array, "*action"]:
        """The action that a code stands for here."""
        return self.generated(obs, self.codebook[code])

    def _seen(self, obs: PyTree) -> Float[Array, " features"]:
        features = self.encoder(obs)
        return features if self.conditioned else jnp.zeros_like(features)


def action_quantiser(
    spec: Spec, codes: int, embedding: int = 128, width: int = 256, depth: int = 2, *, conditioned: bool = True
) -> Initialise:
    """A quantiser of bounded Box actions into so many codes."""
    bounded_box(spec, "A quantiser of actions")
    return lambda key: ActionQuantiser(spec, codes, embedding, width, depth, conditioned=conditioned, key=key)


def in_codes(spec: Spec, codes: int) -> Spec:
    """The same observations, and a choice among so many codes for an action."""
    return dataclasses.replace(spec, action=Discrete(codes))
