"""Sparse features of what goes on inside a policy: directions of its last hidden layer, few of them active at a time.

How well they say the activations is measured at rows held out, and whether they are the policy's own by two more
dictionaries: one learned from another start must find features that are active alike, and one learned of the same policy
with its weights drawn anew must not. Of policies that observe a few numbers the second is hard to pass: any network has
features that go with these, and a dictionary of it finds them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, PRNGKeyArray

from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Rule
from pilothouse.core.aliases import Aux, Loss, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.errors import PolicyError
from pilothouse.core.plain import plain
from pilothouse.data.batches import Uniform
from pilothouse.explain.inside import with_told
from pilothouse.explain.randomised import has_weights, weights_redrawn
from pilothouse.explain.watched import Watched
from pilothouse.networks.sparse_autoencoder import SparseAutoencoder, sparse_autoencoder
from pilothouse.objectives.sparse_reconstruction import reconstruct_sparsely
from pilothouse.train.machine import Lanes, Machine

HELD_OUT = 0.25
"""Share of the rows at which features are measured."""

APART = 0.1
"""By so much less alike must the features of a policy with other weights be."""


@dataclass(frozen=True)
class Dictionary:
    """A sparse autoencoder, and the units of the activations that it was learned from: `mean`, and one `scale` for all."""

    autoencoder: SparseAutoencoder
    mean: Float[np.ndarray, " inputs"]
    scale: float

    def features(self, latents: Float[np.ndarray, "rows inputs"]) -> Float[np.ndarray, "rows units"]:
        """The features of activations as the policy has them."""
        return np.asarray(self.autoencoder.encode(jnp.asarray((latents - self.mean) / self.scale, jnp.float32)))

    def said(self, features: Float[np.ndarray, "rows units"]) -> Float[np.ndarray, "rows inputs"]:
        """The activations that features stand for, as the policy has them."""
        return np.asarray(self.autoencoder.decode(jnp.asarray(features))) * self.scale + self.mean


@dataclass(frozen=True)
class Feature:
    """One feature: the share of rows at which it is `active`, and the observation's entry that it goes with most
    (`named`, with their correlation)."""

    unit: int
    active: float
    named: str
    correlation: float


@dataclass(frozen=True)
class SparseFeatures:
    """The features of a policy's activations.

    Measured at rows held out: `explained` share of the variance of activations, mean number `active` at a row, share
    `dead` (never active). `stability`: how alike the features of a dictionary learned from another start are active, 1
    for the same; `randomised`: the same of a dictionary learned of the policy with its weights drawn anew (None where it
    has none). `sanity_passed` if the latter lies clearly below. `features`: the most active ones that are not always so.
    """

    units: int
    explained: float
    active: float
    dead: float
    stability: float
    randomised: float | None
    sanity_passed: bool
    features: tuple[Feature, ...]
    dictionary: Dictionary = field(repr=False)

    @property
    def fidelity(self) -> float:
        return self.explained

    def as_json(self) -> dict[str, Any]:
        return plain(self, "dictionary")


def in_units(latents: Float[np.ndarray, "rows inputs"]) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows less their mean, over one scale that gives them a mean squared length of `inputs`; the mean, the scale.

    One scale for all, so that directions stay what they are, and a penalty means the same of every policy.
    """
    latents = np.asarray(latents, np.float64)
    mean, scale = latents.mean(axis=0), float(np.sqrt(latents.var(axis=0).mean()))
    scale = scale if scale > 1e-8 else 1.0
    return ((latents - mean) / scale).astype(np.float32), mean, scale


def learned(
    loss: Callable[[Mapping[str, Any]], Loss],
    data: Batch,
    *,
    units: int,
    lanes: Lanes,
    updates: int,
    batch: int,
    lr: float,
) -> SparseAutoencoder:
    """Sparse autoencoders of rows `[lane, row, …]`, all lanes in one program; stacked. `loss` is of a lane's floats."""
    inputs = jax.tree.leaves(data)[0].shape[-1]

    def build(floats: Mapping[str, Any]) -> Algorithm:
        fit = Fit((Objective(loss(floats), ("autoencoder",)),), Uniform("data", batch), after=(UNIT_DIRECTIONS,))
        parts: dict[str, Any] = {"data": _adopted, "autoencoder": sparse_autoencoder(inputs, units)}
        return Algorithm.of(parts=parts, cycle=(fit,), acts=lambda p: p, optimizer=optax.adam(lr))  # pyright: ignore

    machine = Machine(build, lanes, adopt={"data": jax.tree.map(jnp.asarray, data)}, cycles=updates)
    machine.advance(updates)
    return machine.state.parts["autoencoder"]


def _unit_directions(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, Any]:
    del batch, aux, key
    return {"autoencoder": parts["autoencoder"].unit_directions()}


UNIT_DIRECTIONS = Rule(_unit_directions, ("autoencoder",), name="unit directions")


def _adopted(key: PRNGKeyArray) -> Any:
    raise KeyError("adopted and never made here")


def explained_share(x: Float[np.ndarray, "rows inputs"], said: Float[np.ndarray, "rows inputs"]) -> float:
    """1 - squared error over variance, both summed over entries; 0 for rows that never vary."""
    spread = float(x.var(axis=0).sum())
    return 1 - float(((x - said) ** 2).mean(axis=0).sum()) / spread if spread > 1e-12 else 0.0


def alikeness(one: Float[np.ndarray, "rows units"], other: Float[np.ndarray, "rows others"]) -> float:
    """For every feature of `one` its highest absolute correlation with any of `other` over the rows; their mean.

    Features that never vary are left out; 0 where none is left.
    """
    one, other = (x[:, x.std(axis=0) > 1e-8].astype(np.float64) for x in (one, other))
    if not one.shape[1] or not other.shape[1]:
        return 0.0
    one, other = ((x - x.mean(axis=0)) / x.std(axis=0) for x in (one, other))
    return float(np.abs(one.T @ other / len(one)).max(axis=1).mean())


def latents_of(seen: Watched, policy: Any) -> Float[np.ndarray, "rows inputs"]:
    """The activations of the policy's last hidden layer at every row.

    **Raises:** `PolicyError` where a policy does not tell them.
    """
    told = with_told(seen, policy).extras.get("latent")
    if told is None:
        raise PolicyError(
            "What goes on inside this policy is not known; expected a policy of ours, or one that tells its `latent`."
        )
    return np.asarray(told, np.float64).reshape(len(seen), -1)


def study_features(
    seen: Watched,
    policy: Any,
    *,
    units: int = 64,
    sparsity: float = 0.3,
    updates: int = 3_000,
    batch: int = 128,
    lr: float = 3e-3,
    most: int = 10,
    seed: int = 0,
) -> SparseFeatures:
    """Learn `units` features of what goes on inside a policy in the episodes that it was watched in, and test them.

    `sparsity`: weight of the sum of features, of activations of mean squared length `inputs`; `most` features are told.

    **Raises:** `PolicyError` where a policy does not tell its latents.
    """
    latents = [latents_of(seen, policy)]
    latents.append(latents[0])
    redrawn = has_weights(policy)
    if redrawn:
        latents.append(latents_of(replace(seen, extras={}), weights_redrawn(policy, jax.random.key(seed))))
    order = np.random.default_rng(seed).permutation(len(seen))
    held, fit = np.split(order, [max(1, round(HELD_OUT * len(order)))])
    fit = fit if len(fit) else held
    given = [in_units(one[fit]) for one in latents]
    found = learned(
        lambda floats: reconstruct_sparsely(sparsity),
        Batch(x=np.stack([rows for rows, _, _ in given])),
        units=units, lanes=Lanes.of([seed, seed + 1, seed][: len(given)]), updates=updates, batch=batch, lr=lr,
    )  # fmt: skip
    dictionaries = [
        Dictionary(jax.tree.map(lambda x, lane=lane: x[lane], found), mean, scale)
        for lane, (_, mean, scale) in enumerate(given)
    ]
    active = [one.features(rows[held]) for one, rows in zip(dictionaries, latents, strict=True)]
    stability = alikeness(active[0], active[1])
    randomised = alikeness(active[0], active[2]) if redrawn else None
    return SparseFeatures(
        units=units,
        explained=explained_share(latents[0][held], dictionaries[0].said(active[0])),
        active=float((active[0] > 0).sum(axis=1).mean()),
        dead=float((active[0] <= 0).all(axis=0).mean()),
        stability=stability,
        randomised=randomised,
        sanity_passed=randomised is not None and randomised < stability - APART,
        features=features_by_use(active[0], seen.obs[held], seen.names, most),
        dictionary=dictionaries[0],
    )


def features_by_use(
    active: Float[np.ndarray, "rows units"], obs: Float[np.ndarray, "rows features"], names: tuple[str, ...], most: int
) -> tuple[Feature, ...]:
    """The `most` features of highest mean activation, of those that vary, with the entry that each goes with."""
    unit = (obs - obs.mean(axis=0)) / np.where(obs.std(axis=0) > 1e-8, obs.std(axis=0), 1.0)
    told = []
    for which in np.argsort(-active.mean(axis=0), kind="stable"):
        mine = active[:, which]
        if mine.std() <= 1e-8 or len(told) == most:
            continue
        together = unit.T @ ((mine - mine.mean()) / mine.std()) / len(mine)
        first = int(np.abs(together).argmax())
        told.append(Feature(int(which), float((mine > 0).mean()), names[first], float(together[first])))
    return tuple(told)
