"""What would have to be seen otherwise for the policy to act otherwise: counterfactual observations, measured.

Distances are in standard deviations of each feature over what the policy meets. Counterfactual *policies* are the
recipe `counterpol`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.neighbors import NearestNeighbors

from pilothouse.core.plain import plain
from pilothouse.core.spaces import Box
from pilothouse.explain.counterfactual_search import (
    Found,
    nearest_by_gradient,
    nearest_otherwise,
    otherwise,
    sparser,
)
from pilothouse.explain.gradients import Function
from pilothouse.explain.watched import Watched
from pilothouse.rollout.actors import Responses

NEIGHBOURS = 5
"""Rows of the data whose distance says how usual an observation is."""


def unusualness(
    obs: Float[np.ndarray, "rows features"],
    data: Float[np.ndarray, "others features"],
    scale: Float[np.ndarray, " features"],
    *,
    neighbours: int = NEIGHBOURS,
) -> Float[np.ndarray, " rows"]:
    """Mean distance to the nearest rows of `data`, over the median of what rows of the data have among themselves.

    About 1: as usual as what the policy meets. Infinite where the data are all alike and the observation is not.
    """
    unit = np.asarray(data, np.float64) / scale
    k = max(min(neighbours, len(unit) - 1), 1)
    tree = NearestNeighbors(n_neighbors=k).fit(unit)
    usual = float(np.median(tree.kneighbors()[0].mean(axis=1))) if len(unit) > k else 0.0
    apart = tree.kneighbors(np.asarray(obs, np.float64) / scale)[0].mean(axis=1)
    return np.where(apart == 0, 0.0, apart / usual if usual > 0 else np.inf)


@dataclass(frozen=True)
class Counterfactual:
    """One: what was seen and done, what would have to be seen, and what would be done then.

    `changes`: feature -> (from, to), those that move only. `distance` in standard deviations; `unusualness` against
    the data (about 1 for what the policy meets).
    """

    obs: Float[np.ndarray, " features"]
    other: Float[np.ndarray, " features"]
    response: Float[np.ndarray, " outputs"]
    response_there: Float[np.ndarray, " outputs"]
    changes: dict[str, tuple[float, float]]
    distance: float
    unusualness: float

    def __str__(self) -> str:
        return ", ".join(f"{name} {before:.3g} → {after:.3g}" for name, (before, after) in self.changes.items())


@dataclass(frozen=True)
class CounterfactualStudy:
    """Counterfactuals of some observations, and how far to trust them.

    `validity`: the share for which one was found, asked again; `distance`: median over these, in standard deviations
    of the features; `moved`: mean number of features that change; `unusual`: median against the data; `by_chance`: the
    share of moves just as far in random directions after which the policy acts otherwise too, from which validity must
    stand out (`sanity_passed`). `fidelity` is the validity. `close_calls`: share of observations for which a move of
    half a standard deviation suffices: the policy hangs by little there. `margin`: what counts as otherwise, for boxes.
    """

    cases: tuple[Counterfactual, ...]
    fidelity: float
    validity: float
    distance: float
    moved: float
    unusual: float
    by_chance: float
    close_calls: float
    margin: Float[np.ndarray, " outputs"] | None
    sanity_passed: bool

    def as_json(self) -> dict[str, Any]:
        return plain(self)


def study_counterfactuals(
    seen: Watched,
    respond: Responses,
    *,
    seed: int = 0,
    quick: bool = True,
    function: Function | None = None,
    movable: Bool[np.ndarray, " features"] | None = None,
) -> CounterfactualStudy:
    """What would change what the policy does, for some of the observations watched (12; 60 if not `quick`).

    With a traceable `function` (scores or actions of one flat observation) the nearer of both searches counts. Acting
    otherwise is another choice, or an entry of the action one standard deviation of what the policy does away.
    """
    rng, space, scale = np.random.default_rng(seed), seen.spec.action, seen.scale
    obs = seen.obs[rng.choice(len(seen), min(12 if quick else 60, len(seen)), replace=False)].astype(np.float64)
    data = seen.obs[rng.choice(len(seen), min(1000 if quick else 5000, len(seen)), replace=False)].astype(np.float64)
    margin = None
    if isinstance(space, Box):
        spread = respond(data).std(axis=0)
        margin = np.where(spread > 1e-8, spread, np.inf)
    found = nearest_otherwise(
        respond, space, obs, data, scale, margin=margin, movable=movable, probes=64 if quick else 256, seed=seed
    )
    response = respond(obs)
    if function is not None:
        finite = None if margin is None else np.where(np.isfinite(margin), margin, 1e30)
        other = nearest_by_gradient(function, space, obs, scale, margin=finite, movable=movable)
        valid = otherwise(space, response, margin)(respond(other.other)) & (other.distance < found.distance)
        found = Found(
            np.where(valid[:, None], other.other, found.other), np.where(valid, other.distance, found.distance)
        )
    found = sparser(respond, space, obs, found, scale, margin=margin)
    there = respond(found.other)
    valid = np.isfinite(found.distance) & otherwise(space, response, margin)(there)
    unusual = unusualness(found.other, data, scale)
    drawn = rng.normal(size=obs.shape) * (1.0 if movable is None else np.asarray(movable))
    drawn /= np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12)
    far = np.where(valid, found.distance, 0.0)
    chance = otherwise(space, response, margin)(respond(obs + far[:, None] * drawn * scale))
    changed = np.abs(found.other - obs) / scale > 1e-6
    cases = tuple(
        Counterfactual(
            obs=obs[row],
            other=found.other[row],
            response=response[row],
            response_there=there[row],
            changes={
                name: (float(obs[row, i]), float(found.other[row, i]))
                for i, name in enumerate(seen.names)
                if changed[row, i]
            },
            distance=float(found.distance[row]),
            unusualness=float(unusual[row]),
        )
        for row in np.flatnonzero(valid)
    )
    validity, by_chance = float(valid.mean()), float(chance[valid].mean()) if valid.any() else 0.0
    return CounterfactualStudy(
        cases=cases,
        fidelity=validity,
        validity=validity,
        distance=float(np.median(found.distance[valid])) if valid.any() else float("inf"),
        moved=float(changed[valid].sum(axis=1).mean()) if valid.any() else 0.0,
        unusual=float(np.median(unusual[valid])) if valid.any() else float("inf"),
        by_chance=by_chance,
        close_calls=float((found.distance <= 0.5).mean()),
        margin=margin,
        sanity_passed=bool(valid.any() and validity > by_chance + 0.2),
    )
