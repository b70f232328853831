"""Which traits lead to which behaviour: users as planners whose discount and confidence vary, and the types they fall into.

A user plans in the world as they see it: with a discount, and with a chance (noise) that any action at all happens in
place of the one they meant. What the best plan does where it leads is their behaviour; traits with the same behaviour are
one user type, and the map of types over traits says what separates them. Worlds whose maps have the same shape admit the
same types.

**Source:** Ankile, Ham, Mao, Shin, Swaroop, Doshi-Velez and Pan, arXiv:2307.08169. What counts as one behaviour, the
merging of slivers and the measure of sameness are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from pilothouse.core.plain import plain
from pilothouse.explain.watched import Watched
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import optimal

MOST_TYPES = 7
"""Types up to which all ways to match two maps are tried."""

APART = 0.1
"""A policy is taken for a type if it agrees by so much more with it than random actions do."""


@dataclass(frozen=True)
class BehaviourMap:
    """`label[i, j]`: the user type of `discounts[i]` and `noises[j]`; types are numbered from the first cell on.

    `actions[i, j]` is the best action of every state for those traits; `behaviours`, one a type, the best actions where
    they lead and -1 elsewhere, of the type's largest behaviour.
    """

    discounts: tuple[float, ...]
    noises: tuple[float, ...]
    label: Int[np.ndarray, "discounts noises"]
    behaviours: Int[np.ndarray, "types states"]
    actions: Int[np.ndarray, "discounts noises states"]

    @property
    def shares(self) -> Float[np.ndarray, " types"]:
        """The share of the traits that each type takes."""
        return np.bincount(self.label.ravel(), minlength=len(self.behaviours)) / self.label.size

    def borders(self) -> Int[np.ndarray, "types types"]:
        """How many neighbouring cells are of two types, symmetric; 0 on the diagonal."""
        return _borders(self.label, len(self.behaviours))

    def as_json(self) -> dict[str, Any]:
        return plain(self, "actions")


def perceived(world: Tabular, noise: float) -> Tabular:
    """The world to somebody who thinks that, with this chance, any action happens in place of the one they take."""
    transition = jnp.asarray(world.transition)
    even, reward = transition.mean(axis=1, keepdims=True), world.reward.mean(axis=1, keepdims=True)
    return Tabular(
        (1 - noise) * transition + noise * even, (1 - noise) * world.reward + noise * reward, world.start,
        world.terminal, world.horizon,
    )  # fmt: skip


def where_it_leads(world: Tabular, best: Int[np.ndarray, " states"]) -> Int[np.ndarray, " states"]:
    """These actions in the states that they lead to from the world's starts, ends left out; -1 elsewhere."""
    onward = np.asarray(world.transition)[np.arange(len(best)), best] > 0
    terminal = np.asarray(world.terminal)
    reached, new = np.zeros(len(best), bool), np.asarray(world.start) > 0
    while new.any():
        reached |= new
        new = onward[reached & ~terminal].any(axis=0) & ~reached
    return np.where(reached & ~terminal, best, -1)


def behaviour_map(
    world: Tabular, discounts: Sequence[float], noises: Sequence[float], *, least: float = 0.02
) -> BehaviourMap:
    """Solve the world for every pair of traits. Types of less than `least` of the traits join the neighbour with which
    they share most of their border."""
    actions = np.array(
        [[optimal(perceived(world, noise), discount=one, tolerance=1e-7).best for noise in noises] for one in discounts]
    )
    seen = np.array([[where_it_leads(world, best) for best in row] for row in actions])
    behaviours, label = np.unique(seen.reshape(-1, seen.shape[2]), axis=0, return_inverse=True)
    label = label.reshape(len(discounts), len(noises))
    while len(np.unique(label)) > 1:
        sizes = np.bincount(label.ravel(), minlength=len(behaviours))
        present = np.flatnonzero(sizes)
        small = present[sizes[present].argmin()]
        if sizes[small] >= least * label.size:
            break
        label = np.where(label == small, _borders(label, len(behaviours))[small].argmax(), label)
    order = list(dict.fromkeys(label.ravel().tolist()))
    renamed = np.zeros(len(behaviours), int)
    renamed[order] = np.arange(len(order))
    return BehaviourMap(tuple(discounts), tuple(noises), renamed[label], behaviours[order], actions)


def _borders(label: np.ndarray, types: int) -> np.ndarray:
    found = np.zeros((types, types), int)
    for one, other in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
        np.add.at(found, (one.ravel(), other.ravel()), 1)
        np.add.at(found, (other.ravel(), one.ravel()), 1)
    np.fill_diagonal(found, 0)
    return found


class Sameness(NamedTuple):
    """Whether two maps have the same types with the same neighbours, `match[type of one] = type of other` (-1: none),
    and the share of traits at which matched types lie on each other."""

    same: bool
    match: Int[np.ndarray, " types"]
    overlap: float


def sameness(one: BehaviourMap, other: BehaviourMap) -> Sameness:
    """Compare two maps over the same traits. Of the matchings that keep who borders on whom the one of largest overlap
    counts; where there is none, the matching of largest overlap at all."""
    n, m = len(one.behaviours), len(other.behaviours)
    together = np.zeros((n, m))
    np.add.at(together, (one.label.ravel(), other.label.ravel()), 1 / one.label.size)
    if n == m <= MOST_TYPES:
        first, second = one.borders() > 0, other.borders() > 0
        kept = [list(p) for p in permutations(range(n)) if (second[np.ix_(p, p)] == first).all()]
        if kept:
            match = max(kept, key=lambda p: together[np.arange(n), p].sum())
            return Sameness(True, np.array(match), float(together[np.arange(n), match].sum()))
    rows, columns = linear_sum_assignment(-together)
    match = np.full(n, -1)
    match[rows] = columns
    return Sameness(False, match, float(together[rows, columns].sum()))


@dataclass(frozen=True)
class UserTypes:
    """A world's map of user types, and which of them a watched policy is.

    `agreement`: for each type the share of the watched actions that its best-fitting traits would have taken; `type` the
    highest, with those traits' `discount` and `noise` (means over the cells that fit as well). `at_random`: the highest
    agreement of random actions in the same states; `sanity_passed` if the policy's lies clearly above.
    """

    map: BehaviourMap
    agreement: Float[np.ndarray, " types"]
    type: int
    discount: float
    noise: float
    at_random: float
    sanity_passed: bool

    @property
    def fidelity(self) -> float:
        return float(self.agreement[self.type])

    def as_json(self) -> dict[str, Any]:
        return {**plain(self, "map"), "map": self.map.as_json()}


def user_type(
    found: BehaviourMap,
    state: Int[np.ndarray, " rows"],
    action: Int[np.ndarray, " rows"],
    choices: int,
    *,
    seed: int = 0,
) -> UserTypes:
    """Place a policy, watched in these steps, on a map."""
    drawn = np.random.default_rng(seed).integers(0, choices, len(action))
    cells, nothing = ((found.actions[:, :, state] == acted).mean(axis=2) for acted in (action, drawn))
    agreement = np.array([cells[found.label == one].max() for one in range(len(found.behaviours))])
    which = int(agreement.argmax())
    fits = np.argwhere((found.label == which) & (cells >= agreement[which] - 1e-12))
    at_random = float(nothing.max())
    return UserTypes(
        found,
        agreement,
        which,
        float(np.mean([found.discounts[i] for i, _ in fits])),
        float(np.mean([found.noises[j] for _, j in fits])),
        at_random,
        float(agreement[which]) > at_random + APART,
    )


def world_seen(seen: Watched) -> Tabular:
    """The tabular world as watched steps show it: shares of what followed, mean rewards, ends. What was never tried stays
    where it is, for nothing."""
    state, there = seen.obs.argmax(axis=1), seen.next_obs.argmax(axis=1)
    n, choices = seen.obs.shape[1], int(seen.choices or 1)
    counts, reward = np.zeros((n, choices, n)), np.zeros((n, choices))
    np.add.at(counts, (state, seen.action, there), 1.0)
    np.add.at(reward, (state, seen.action), seen.reward)
    tried = counts.sum(axis=2)
    transition = np.where(
        tried[..., None] > 0,
        counts / np.maximum(tried, 1)[..., None],
        np.broadcast_to(np.eye(n)[:, None], counts.shape),
    )
    terminal = np.zeros(n, bool)
    terminal[there[seen.terminated]] = True
    start = np.bincount(state[seen.step == 0], minlength=n)
    return Tabular.of(transition, reward / np.maximum(tried, 1), start=start / start.sum(), terminal=terminal)
