"""What a policy would answer if it knew only some features: answers of coalitions, and shares of the answer made of them.

The features that a coalition lacks come from background rows, all of them in turn, and the answers are averaged: the
interventional expectation. An attribution is then a matrix of weights over coalitions; Shapley values, exact and
sampled, and occlusion differ in that matrix alone (`shapley.py`), and in nothing else.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from pilothouse.core.errors import DataError
from pilothouse.explain.gradients import Function
from pilothouse.rollout.actors import Responses

_NUMBERS = 4_000_000
"""Numbers of mixed observations held at once by a function on the host; 32 MB."""

_ROWS = 4096
"""Mixed observations that a traced function is asked for at once: enough to fill the cores, little enough for caches."""


class Coalitions(NamedTuple):
    """Sets of features that are known, and what each says about each feature.

    An attribution of feature i is the sum over coalitions of `weights[i]` times the coalition's answer.
    """

    known: Bool[np.ndarray, "coalitions features"]
    weights: Float[np.ndarray, "features coalitions"]


def answers(
    function: Responses,
    obs: Float[np.ndarray, "observations features"],
    background: Float[np.ndarray, "rows _"],
    known: Bool[np.ndarray, "coalitions features"],
) -> Float[np.ndarray, "observations coalitions outputs"]:
    """What `function` answers on average over the background, when only the `known` features are the observation's.

    Asks for observations x coalitions x rows answers, in batches. Raises `DataError` for shapes that do not fit.
    """
    obs, background = checked(obs, background)
    features, rows = obs.shape[1], len(background)
    sets = max(1, min(len(known), _NUMBERS // (rows * features)))
    together = max(1, _NUMBERS // (sets * rows * features))
    parts = [obs[start : start + together] for start in range(0, len(obs), together)]
    asked = [known[start : start + sets] for start in range(0, len(known), sets)]
    return np.concatenate(
        [np.concatenate([_mean_answers(function, part, background, some) for some in asked], axis=1) for part in parts]
    )


def _mean_answers(function: Responses, obs: np.ndarray, background: np.ndarray, known: np.ndarray) -> np.ndarray:
    mixed = np.where(known[None, :, None, :], obs[:, None, None, :], background[None, None])
    asked = mixed.reshape(-1, obs.shape[1])
    said = np.asarray(function(asked), np.float64)
    if said.ndim != 2 or len(said) != len(asked):
        raise DataError(
            f"The function to explain gave shape {said.shape} for {len(asked)} observations; expected one row of "
            "outputs for each."
        )
    return said.reshape(*mixed.shape[:3], -1).mean(axis=2)


def attributed(
    function: Responses,
    obs: Float[np.ndarray, "observations features"],
    background: Float[np.ndarray, "rows _"],
    coalitions: Coalitions,
) -> Float[np.ndarray, "observations outputs features"]:
    """The shares of every feature in every output, in the output's units."""
    return shares_of(answers(function, obs, background, coalitions.known), coalitions)


def shares_of(
    answered: Float[np.ndarray, "observations coalitions outputs"], coalitions: Coalitions
) -> Float[np.ndarray, "observations outputs features"]:
    """What the answers of all coalitions come to for each feature."""
    return np.einsum("fc,nco->nof", coalitions.weights, answered)


def attributed_traced(
    function: Function,
    obs: Float[Array, "observations features"],
    background: Float[Array, "rows features"],
    coalitions: Coalitions,
) -> Float[Array, "observations outputs features"]:
    """As `attributed`, of a function of one observation that traces: one program under `jit`, in float32."""
    known, weights = jnp.asarray(coalitions.known), jnp.asarray(coalitions.weights, jnp.float32)
    rows = max(1, min(_ROWS // max(len(background), 1), len(coalitions.known)))

    def answer(seen: Array, which: Array) -> Array:
        return jax.vmap(lambda row: function(jnp.where(which, seen, row)))(background).mean(axis=0)

    def shares(seen: Array) -> Array:
        said = jax.lax.map(lambda which: answer(seen, which), known, batch_size=rows)
        # Products on some devices are rounded to half the digits unless asked not to be.
        return jnp.einsum("fc,co->of", weights, said, precision="highest")

    return jax.lax.map(shares, obs)


def matching_answers(
    said: Float[np.ndarray, "rows outputs"],
    rows: Float[np.ndarray, "rows features"],
    counts: Float[np.ndarray, " rows"],
    known: Bool[np.ndarray, "coalitions features"],
) -> Float[np.ndarray, "rows coalitions outputs"]:
    """For each row, the mean of what was `said` at all rows that match it on the known features, each `counts` times.

    The conditional expectation, where `answers` gives the interventional one: features that go together share the
    credit, and no unlikely mixture is asked about. It needs rows that match exactly, so round them first.
    """
    found = np.empty((len(rows), len(known), said.shape[1]))
    for coalition, which in enumerate(known):
        _, group = (
            np.unique(rows[:, which], axis=0, return_inverse=True) if which.any() else (None, np.zeros(len(rows), int))
        )
        group = group.reshape(-1)
        weight = np.bincount(group, counts)
        means = np.stack([np.bincount(group, counts * output) / weight for output in said.T], axis=1)
        found[:, coalition] = means[group]
    return found


def checked(obs: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as `(rows, features)` of finite numbers. Raises `DataError` where they are not, or do not fit each other."""
    for name, rows in (("observations", obs), ("background", background)):
        if np.ndim(rows) != 2 or not np.size(rows) or not np.isfinite(rows).all():
            raise DataError(
                f"The {name} to explain with have shape {np.shape(rows)}, or are not finite; expected rows of finite features."
            )
    if np.shape(obs)[1] != np.shape(background)[1]:
        raise DataError(
            f"Observations of {np.shape(obs)[1]} features and a background of {np.shape(background)[1]}; expected as many."
        )
    return as_real(obs), as_real(background)


def as_real(rows: np.ndarray) -> np.ndarray:
    """Floating numbers as they are, whole ones as float64."""
    array = np.asarray(rows)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)
