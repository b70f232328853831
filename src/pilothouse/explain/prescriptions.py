"""What would have to be done, of what can be done, for a policy to choose otherwise; and that in plain words.

For a policy that decides about somebody (who is at risk, who gets a loan): its drivers, as a whole and for each case; the
nearest change of the features that can be changed after which it makes the wanted choice; and advice that says both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.core.spaces import Discrete, Space, Spec
from pilothouse.explain.coalitions import attributed
from pilothouse.explain.counterfactual_search import nearest_otherwise, otherwise, sparser
from pilothouse.explain.shapley import shapley_coalitions
from pilothouse.explain.surrogates import fit_tree, likeness
from pilothouse.rollout.actors import Responses

WANTED = Discrete(2)
"""Other choices, the wanted choice."""

BACKGROUND = 50
"""Rows against which shares are measured."""

LEAVES = 4
"""Of the tree that says in rules who is decided on how."""

SPOKEN = 3
"""Drivers that are named."""


@dataclass(frozen=True)
class Prescription:
    """One case: the wanted choice's `chance`, the features that drive it (`drivers`: name -> share, largest first), what
    to change (`changes`: name -> (from, to); empty where nothing helps), how far that is, and the `advice` in words."""

    chance: float
    drivers: dict[str, float]
    changes: dict[str, tuple[float, float]]
    distance: float
    advice: str
    obs: Float[np.ndarray, " features"] = field(repr=False)
    other: Float[np.ndarray, " features"] = field(repr=False)


@dataclass(frozen=True)
class Prescriptions:
    """Advice for the cases that a policy decides against, and how far to trust it.

    `drivers`: mean size of each feature's share over all rows, the largest first; `rules`: a small tree's, which agrees
    with the policy on `agreement` of the rows. `validity`: the share of cases for which a change was found, asked again;
    `by_chance`: the share of moves as far, in random directions of what can be changed, that would have done;
    `distance` (median, in standard deviations) and `moved` (mean number of features) of those found. `sanity_passed` if
    validity stands out from chance by 0.2.
    """

    wanted: int
    actionable: tuple[str, ...]
    drivers: dict[str, float]
    rules: tuple[str, ...]
    agreement: float
    validity: float
    by_chance: float
    distance: float
    moved: float
    sanity_passed: bool
    cases: tuple[Prescription, ...]

    @property
    def fidelity(self) -> float:
        return self.validity

    def as_json(self) -> dict[str, Any]:
        return plain(self)


def wanted_or_not(respond: Responses, wanted: int) -> Responses:
    """The responses as two scores: the highest of the other choices, and the wanted one's."""

    def two(rows: np.ndarray) -> np.ndarray:
        said = respond(rows)
        return np.stack([np.delete(said, wanted, axis=1).max(axis=1), said[:, wanted]], axis=1)

    return two


def prescribe(
    respond: Responses,
    obs_space: Space,
    names: Sequence[str],
    obs: Float[np.ndarray, "rows features"],
    *,
    wanted: int,
    actionable: Bool[np.ndarray, " features"],
    cases: int = 20,
    probes: int = 64,
    seed: int = 0,
) -> Prescriptions:
    """Explain decisions, and advise the first `cases` rows (in random order) that are decided against.

    **Raises:** `DataError` where no feature may change, or nobody is decided against.
    """
    if not actionable.any():
        raise DataError("No feature may change, so that nothing can be advised; name at least one as actionable.")
    rng, obs = np.random.default_rng(seed), np.asarray(obs, np.float64)
    two = wanted_or_not(respond, wanted)
    said = two(obs)
    against = rng.permutation(np.flatnonzero(said[:, 0] >= said[:, 1]))[:cases]
    if not len(against):
        raise DataError(f"Choice {wanted} is made at all {len(obs)} observations; there is nobody to advise.")
    spread = obs.std(axis=0)
    scale = np.where(spread > 1e-8, spread, 1.0)
    background = obs[rng.choice(len(obs), min(BACKGROUND, len(obs)), replace=False)]
    coalitions = shapley_coalitions(obs.shape[1], orders=8, seed=seed)
    of_all = rng.choice(len(obs), min(BACKGROUND, len(obs)), replace=False)
    shares = attributed(two, obs[np.concatenate([against, of_all])], background, coalitions)[:, 1]
    found = nearest_otherwise(two, WANTED, obs[against], obs, scale, movable=actionable, probes=probes, seed=seed)
    found = sparser(two, WANTED, obs[against], found, scale)
    valid = np.isfinite(found.distance) & otherwise(WANTED, said[against])(two(found.other))
    drawn = rng.normal(size=(len(against), obs.shape[1])) * actionable
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    far = np.where(valid, found.distance, 0.0)[:, None]
    chance = otherwise(WANTED, said[against])(two(obs[against] + far * drawn * scale))
    changed = np.abs(found.other - obs[against]) / scale > 1e-6
    told = []
    for i, row in enumerate(against):
        changes = {
            names[int(f)]: (float(obs[row, f]), float(found.other[i, f])) for f in np.flatnonzero(changed[i] & valid[i])
        }
        drivers = _largest(shares[i], names)
        far_off = float(found.distance[i]) if valid[i] else float("inf")
        advice = in_words(float(said[row, 1]), drivers, changes)
        told.append(Prescription(float(said[row, 1]), drivers, changes, far_off, advice, obs[row], found.other[i]))
    tree = fit_tree(Spec(obs_space, WANTED), names, obs.astype(np.float32), said, leaves=LEAVES, seed=seed)
    validity, by_chance = float(valid.mean()), float(chance[valid].mean()) if valid.any() else 0.0
    return Prescriptions(
        wanted=wanted,
        actionable=tuple(name for name, may in zip(names, actionable, strict=True) if may),
        drivers=_largest(np.abs(shares[len(against) :]).mean(axis=0), names),
        rules=tuple(tree.rules()),
        agreement=likeness(WANTED, said, tree.respond(obs.astype(np.float32))),
        validity=validity,
        by_chance=by_chance,
        distance=float(np.median(found.distance[valid])) if valid.any() else float("inf"),
        moved=float(changed[valid].sum(axis=1).mean()) if valid.any() else 0.0,
        sanity_passed=validity > by_chance + 0.2,
        cases=tuple(told),
    )


def _largest(shares: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    return {names[int(f)]: float(shares[f]) for f in np.argsort(-np.abs(shares), kind="stable")}


def in_words(chance: float, drivers: dict[str, float], changes: dict[str, tuple[float, float]]) -> str:
    """The advice: what speaks against and for the wanted choice, and what to raise and lower, or that nothing helps."""
    largest = list(drivers.items())[:SPOKEN]
    against = [name for name, share in largest if share < 0]
    favour = [name for name, share in largest if share > 0]
    said = [f"As things are, the chance is {chance:.0%}."]
    if against:
        said.append(f"What speaks against it most: {', '.join(against)}.")
    if favour:
        said.append(f"What speaks for it: {', '.join(favour)}.")
    if not changes:
        return " ".join([*said, "No change of what can be changed was found to be enough."])
    steps = [
        f"{'raise' if after > before else 'lower'} {name} from {before:.3g} to {after:.3g}"
        for name, (before, after) in changes.items()
    ]
    return " ".join([*said, f"It would be enough to {' and '.join(steps)}."])
