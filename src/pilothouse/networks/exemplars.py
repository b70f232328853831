"""Classifiers that answer by their exemplars too: how many of the nearest agree, how far away they are, how clear the case is.

Source: Schmaltz, "Similarity-Distance-Magnitude Universal Verification", arXiv:2502.20167, and the authors' code.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise, Scalar
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.mlp import MLP, Linear

PLAIN = jnp.e - 2
"""The similarity at which, with distance 1, the activation is the softmax."""
FAR = 1e9
"""What stands for no distance, and for a similarity and a probability that nothing reaches: finite, as parts are to be."""


class ExemplarClassifier(eqx.Module):
    """Observation -> (vector by which exemplars are compared, logits of the choices, linear in it)."""

    encoder: Encoder
    body: MLP
    readout: Linear

    def __init__(self, spec: Spec, vector: int, width: int = 64, depth: int = 2, *, key: PRNGKeyArray):
        if not isinstance(spec.action, Discrete):
            raise SpaceError(f"A classifier has choices to make, not {spec.action.kind} actions.")
        keys = jax.random.split(key, 3)
        self.encoder = Encoder(spec.obs, key=keys[0])
        self.body = MLP(self.encoder.size, vector, width, depth, key=keys[1])
        self.readout = Linear(vector, spec.action.n, key=keys[2])

    def __call__(self, obs: PyTree) -> tuple[Float[Array, " vector"], Float[Array, " choices"]]:
        vector = self.body(self.encoder(obs))
        return vector, self.readout(vector)


def exemplar_classifier(spec: Spec, vector: int, width: int = 64, depth: int = 2) -> Initialise:
    return lambda key: ExemplarClassifier(spec, vector, width, depth, key=key)


class Support(eqx.Module):
    """The exemplars: their vectors, what was right for each (`label`), what the classifier says of it, and whether it is one."""

    vector: Float[Array, "rows vector"]
    label: Int[Array, " rows"]
    said: Int[Array, " rows"]
    real: Bool[Array, " rows"]

    def look(
        self, vector: Float[Array, " vector"], choice: Int[Array, ""], skip: int | Int[Array, ""] = -1
    ) -> tuple[Scalar, Scalar, Int[Array, ""]]:
        """Similarity, squared distance to the nearest exemplar, and its number; exemplar `skip` is passed over.

        Similarity counts, from the nearest on, the exemplars of which the classifier rightly says `choice`, up to the
        first of which it does not.
        """
        there = self.real & (jnp.arange(len(self.real)) != skip)
        # By its three terms, so that many at once are one matrix product.
        squared = jnp.square(self.vector).sum(axis=-1) - 2 * self.vector @ vector + jnp.square(vector).sum()
        apart = jnp.where(there, jnp.maximum(squared, 0.0), FAR)
        agrees = (self.said == choice) & (self.label == choice)
        first = jnp.min(jnp.where(there & ~agrees, apart, FAR))
        return (there & agrees & (apart < first)).sum().astype(jnp.float32), apart.min(), jnp.argmin(apart)


def sdm(
    logits: Float[Array, "*batch choices"], similarity: Float[Array, "*batch"], distance: Float[Array, "*batch"]
) -> Float[Array, "*batch choices"]:
    r"""Logarithms to the base 2 + similarity of the probabilities $(2 + q)^{d z_i} / \sum_c (2 + q)^{d z_c}$.

    `distance` is 1 for an observation nearer to its exemplar than any that calibrated, 0 for one farther than all: there
    every choice is as likely. Similarity e - 2 and distance 1 make it the logarithm of the softmax.
    """
    base = jnp.log(2.0 + similarity)[..., None]
    return jax.nn.log_softmax(base * distance[..., None] * logits, axis=-1) / base


def rescaled_similarity(
    similarity: Float[Array, "*batch"], probability: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The similarity, or 2 + similarity to the power of the probability of the choice, whichever is less."""
    return jnp.minimum(similarity, (2.0 + similarity) ** probability)


class Calibration(eqx.Module):
    """What calibrated observations tell of others.

    - `distances`: `[choice, row]`, squared distances of those for which that choice was right, ascending, `FAR` behind
      the first `counts[choice]`.
    - `least`: the rescaled similarity, and `thresholds`: `[choice]`, the probability of the choice, from which on a
      choice is taken to be reliable; `FAR` where no region is.
    """

    distances: Float[Array, "choices rows"]
    counts: Int[Array, " choices"]
    least: Float[Array, ""]
    thresholds: Float[Array, " choices"]

    def distance(self, apart: Scalar) -> Scalar:
        """The least share, over the choices, of calibrated observations that lie as far from their exemplar or farther."""
        nearer = jax.vmap(lambda known: jnp.searchsorted(known, apart, side="left"))(self.distances)
        return ((self.counts - nearer) / jnp.maximum(self.counts, 1)).min()

    def reliable(self, rescaled: Scalar, probability: Scalar, choice: Int[Array, ""]) -> Bool[Array, ""]:
        return (rescaled >= self.least) & (probability >= self.thresholds[choice])


def distances_by_label(
    apart: Float[Array, " rows"], label: Int[Array, " rows"], counted: Bool[Array, " rows"], choices: int
) -> tuple[Float[Array, "choices rows"], Int[Array, " choices"]]:
    """`distances` and `counts` of a `Calibration`, of the rows that are `counted`."""
    among = counted[None] & (label[None] == jnp.arange(choices)[:, None])
    return jnp.sort(jnp.where(among, apart[None], FAR), axis=1), among.sum(axis=1)


def reliable_region(
    probability: Float[Array, "rows choices"],
    rescaled: Float[Array, " rows"],
    label: Int[Array, " rows"],
    real: Bool[Array, " rows"],
    level: float | Array,
) -> tuple[Float[Array, ""], Float[Array, " choices"]]:
    """The least rescaled similarity from which on, for every label, all but 1 - `level` of the rows give it `level` or more.

    Returns it and, by label, the probability that all but 1 - `level` of those rows exceed; `FAR` where there is none. Rows of
    rescaled similarity below 1 count for nothing.
    """
    own = jnp.take_along_axis(probability, label[:, None], axis=1)[:, 0]
    order = jnp.argsort(own)
    own, rescaled, label, known = own[order], rescaled[order], label[order], (real & (rescaled >= 1.0))[order]
    candidates = jnp.sort(jnp.where(known, rescaled, FAR))

    def at(least: Float[Array, ""]) -> Float[Array, " choices"]:
        among = (known & (rescaled >= least))[None] & (label[None] == jnp.arange(probability.shape[1])[:, None])
        rank, count = jnp.cumsum(among, axis=1), among.sum(axis=1)
        # The tolerance is for shares such as (1 - 0.95) * 20, which is to be 1.
        place = jnp.minimum(jnp.floor((1.0 - level) * count + 1e-4).astype(jnp.int32), count - 1)
        return jnp.where(count > 0, own[jnp.argmax(rank == place[:, None] + 1, axis=1)], 0.0)

    def fails(number: Int[Array, ""]) -> Bool[Array, ""]:
        left = number < len(candidates)
        least = candidates[jnp.minimum(number, len(candidates) - 1)]
        return left & (least < FAR) & ~(at(least) >= level).all()

    # From the least on, as the first that does is looked for, and most often it is among the first.
    number = jax.lax.while_loop(fails, lambda number: number + 1, jnp.zeros((), jnp.int32))
    least = jnp.where(number < len(candidates), candidates[jnp.minimum(number, len(candidates) - 1)], FAR)
    return least, jnp.where(least < FAR, at(least), FAR)
