"""Features that tell a policy's better continuations from its worse ones, beside those that both share.

A contrastive sparse autoencoder reads the latents of a start and of a state that followed, for two continuations of each
start. The first half of its features is to be the same in both, of the second half none is to be active in both. Nobody
tells it which of the two is the better: whether the differential features know is found by a linear probe, at pairs held
out, beside a plain autoencoder of the same size and one that was given pairs which do not belong together.

**Source:** Poupart, "Contrastive Sparse Autoencoders for Interpreting Planning of Chess-Playing Agents",
arXiv:2406.04028, and the authors' code. The probe's comparisons are ours.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.explain.continuations import Pairs, shuffled, together
from pilothouse.explain.sparse_autoencoder import Dictionary, explained_share, in_units, learned
from pilothouse.objectives.sparse_reconstruction import reconstruct_pairs
from pilothouse.train.machine import Lanes

HELD_OUT = 0.3
"""Share of the pairs of episodes at which features are probed."""


@dataclass(frozen=True)
class Differential:
    """One differential feature: share of better and of worse rows at which it is active, and the entry of the
    observation that it goes with most (`named`, with their correlation)."""

    unit: int
    better: float
    worse: float
    named: str
    correlation: float


@dataclass(frozen=True)
class ContrastiveFeatures:
    """What tells better continuations from worse ones inside a policy.

    `differential`, `common`: AUC at held-out pairs of linear probes on the two halves of the features; `plain`: on the
    second half of a plain autoencoder of the same size; `plain_all`: on all of its features; `shuffled`: on the
    differential features learned from shuffled pairs; `chance`: on the differential features, with labels shuffled.
    `explained`, `active`, `dead`: as of sparse features. `sanity_passed` if the differential features know more than
    the common ones and than chance, by `APART`. `features`: those whose activity differs most.
    """

    differential: float
    common: float
    plain: float
    plain_all: float
    shuffled: float
    chance: float
    explained: float
    active: float
    dead: float
    sanity_passed: bool
    features: tuple[Differential, ...]
    dictionary: Dictionary = field(repr=False)

    @property
    def fidelity(self) -> float:
        return self.differential

    def as_json(self) -> dict[str, Any]:
        return plain(self, "dictionary")


APART = 0.05
"""Differences of AUC below this are taken for none."""

ARMS = ("contrastive", "shuffled", "plain")


def contrastive_features(
    pairs: Pairs,
    latents: Float[np.ndarray, "rows inputs"],
    *,
    units: int,
    sparsity: float,
    contrast: float,
    updates: int,
    batch: int,
    lr: float,
    most: int = 5,
    seed: int = 0,
) -> ContrastiveFeatures:
    """Learn `units` features of these pairs, half of them common, and hold them against the two others.

    `latents` are those of the rows of `pairs.seen`. **Raises:** `DataError` with fewer than two pairs of episodes.
    """
    fit, held = _split(pairs, seed)
    x, mean, scale = in_units(together(pairs, latents).reshape(2 * len(pairs), -1))
    x, mixed = x.reshape(2, len(pairs), -1), shuffled(_rows(pairs, fit), seed)
    apart = np.concatenate([latents[mixed.root], latents[mixed.worse]], axis=1)
    apart = ((apart - mean) / scale).astype(np.float32)
    one, other = x[0][fit], x[1][fit]
    data = Batch(one=np.stack([one] * 3), other=np.stack([other, apart, other]))
    found = learned(
        lambda floats: reconstruct_pairs(sparsity, floats["contrast"], units // 2),
        data, units=units, updates=updates, batch=batch, lr=lr,
        lanes=Lanes.of([seed] * 3, {"contrast": [contrast, contrast, 0.0]}),
    )  # fmt: skip
    wide = together(pairs, latents)
    made = {
        arm: Dictionary(jax.tree.map(lambda leaf, lane=lane: leaf[lane], found), mean, scale)
        for lane, arm in enumerate(ARMS)
    }
    active = {arm: np.stack([one.features(rows) for rows in wide]) for arm, one in made.items()}
    half, own = units // 2, active["contrastive"]
    auc = {
        "differential": probe(own[..., half:], fit, held),
        "common": probe(own[..., :half], fit, held),
        "plain": probe(active["plain"][..., half:], fit, held),
        "plain_all": probe(active["plain"], fit, held),
        "shuffled": probe(active["shuffled"][..., half:], fit, held),
        "chance": probe(_coins(own[..., half:], seed), fit, held),
    }
    flat = own[:, held].reshape(-1, units)
    return ContrastiveFeatures(
        **auc,
        explained=explained_share(wide[:, held].reshape(len(flat), -1), made["contrastive"].said(flat)),
        active=float((flat > 0).sum(axis=1).mean()),
        dead=float((flat <= 0).all(axis=0).mean()),
        sanity_passed=auc["differential"] > max(auc["common"], auc["chance"]) + APART,
        features=_told(pairs, own, held, half, most),
        dictionary=made["contrastive"],
    )


def probe(
    features: Float[np.ndarray, "both pairs units"], fit: Int[np.ndarray, " fit"], held: Int[np.ndarray, " held"]
) -> float:
    """AUC at `held` pairs of a logistic regression, fitted to the pairs `fit`, that says which rows are the better."""

    def rows(which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return features[:, which].reshape(2 * len(which), -1), np.repeat([1, 0], len(which))

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=300))
    (x, y), (unseen, truth) = rows(fit), rows(held)
    return float(roc_auc_score(truth, model.fit(x, y).decision_function(unseen)))


def _coins(features: np.ndarray, seed: int) -> np.ndarray:
    """The two of each pair exchanged or not, by a coin."""
    flip = np.random.default_rng(seed).random(features.shape[1]) < 0.5
    return np.where(flip[None, :, None], features[::-1], features)


def _split(pairs: Pairs, seed: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).permutation(np.unique(pairs.pair))
    if len(ids) < 2:
        raise DataError(f"{len(ids)} pair of episodes; holding some out takes at least 2. Watch more episodes.")
    held = np.isin(pairs.pair, ids[: min(max(round(HELD_OUT * len(ids)), 1), len(ids) - 1)])
    return np.flatnonzero(~held), np.flatnonzero(held)


def _rows(pairs: Pairs, which: np.ndarray) -> Pairs:
    return Pairs(pairs.seen, pairs.root[which], pairs.better[which], pairs.worse[which], pairs.pair[which])


def _told(pairs: Pairs, active: np.ndarray, held: np.ndarray, half: int, most: int) -> tuple[Differential, ...]:
    better, worse = ((active[side][held] > 0).mean(axis=0) for side in (0, 1))
    obs = pairs.seen.obs[np.concatenate([pairs.better[held], pairs.worse[held]])]
    unit = (obs - obs.mean(axis=0)) / np.where(obs.std(axis=0) > 1e-8, obs.std(axis=0), 1.0)
    mine = active[:, held].reshape(len(obs), -1)
    mine = (mine - mine.mean(axis=0)) / np.where(mine.std(axis=0) > 1e-8, mine.std(axis=0), 1.0)
    correlation, found = unit.T @ mine / len(obs), []
    for which in half + np.argsort(-np.abs(better - worse)[half:], kind="stable")[:most]:
        first = int(np.abs(correlation[:, which]).argmax())
        found.append(
            Differential(
                int(which), float(better[which]), float(worse[which]), pairs.seen.names[first],
                float(correlation[first, which]),
            )
        )  # fmt: skip
    return tuple(found)
