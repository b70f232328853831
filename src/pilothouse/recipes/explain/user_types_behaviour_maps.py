"""User types: which behaviour follows from which traits in a world, which worlds admit the same types, and what type
a watched policy is.

Take users as planners of a discount (patience) and a noise (lack of confidence); solve the world for a grid of both;
traits of the same behaviour are one type. Two worlds whose maps have the same types side by side are equivalent: what
moves a type to the wanted behaviour in one is to do so in the other.

Source: Ankile, Ham, Mao, Shin, Swaroop, Doshi-Velez and Pan, "Discovering User Types: Mapping User Traits by
Task-Specific Behaviors in Reinforcement Learning", arXiv:2307.08169; written from the abstract and summaries.
Departures: 1. Confidence is the chance that the action meant happens; else any action does. 2. A behaviour is the best
plan's actions where the plan leads; types of less than 2% of the traits are merged. 3. Worlds are equivalent where types
and their neighbourhoods can be matched; the paper compares shapes of maps. 4. A policy is watched and placed on the map,
and where no world is given its map is made from what the episodes show.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.explain.behaviour_maps import (
    BehaviourMap,
    UserTypes,
    behaviour_map,
    sameness,
    user_type,
    world_seen,
)
from pilothouse.explain.watched import Watched
from pilothouse.explain.watcher import Watcher
from pilothouse.worlds.tabular import Tabular


@recipe("user-types-behaviour-maps", takes=Takes(source="world", action=("Discrete",), obs=("Discrete",)))
def user_types_behaviour_maps(
    spec: Spec, *, grid: Count = 12, longest: Fraction = 0.97, noisiest: Fraction = 0.9
) -> Watcher:
    """`grid`: values of each trait; discounts up to `longest`, noises up to `noisiest`."""
    assert isinstance(spec.action, Discrete)
    choices = spec.action.n

    def explain(policy: Any, seen: Watched, seed: int = 0, *, world: Tabular | None = None) -> UserTypes:
        del policy  # what it did is in the episodes
        traits = np.linspace(0.0, float(longest), grid), np.linspace(0.0, float(noisiest), grid)
        found = behaviour_map(world or world_seen(seen), *(tuple(map(float, one)) for one in traits))
        return user_type(found, seen.obs.argmax(axis=1), np.asarray(seen.action), choices, seed=seed)

    return explain


GRID = 12
TRAITS = tuple(np.linspace(0.05, 0.97, GRID)), tuple(np.linspace(0.0, 0.9, GRID))
MOVES = {"patience": (3, 0), "confidence": (0, -3), "some of both": (2, -1)}
"""Interventions: cells by which they move a user's traits."""


def near_or_far(draw: np.random.Generator) -> Tabular:
    """A corridor: a small reward at the near end, a large one at the far end."""
    near, far, small = int(draw.integers(1, 3)), int(draw.integers(4, 7)), draw.uniform(0.2, 0.5)
    n = near + far + 1
    transition, reward = np.zeros((n, 2, n)), np.zeros((n, 2))
    for place in range(n):
        for action, step in enumerate((-1, 1)):
            transition[place, action, np.clip(place + step, 0, n - 1)] = 1
    reward[1, 0], reward[n - 2, 1] = small, 1.0
    return Tabular.of(transition, reward, start=np.eye(n)[near], terminal=np.isin(np.arange(n), (0, n - 1)))


def effort_or_rest(draw: np.random.Generator) -> Tabular:
    """Exercises that cost something each until all are done and pay; resting gives the last one up, quitting ends it."""
    n, cost = int(draw.integers(3, 6)), draw.uniform(0.02, 0.1)
    done, quit_ = n, n + 1
    transition, reward = np.zeros((n + 2, 3, n + 2)), np.zeros((n + 2, 3))
    for stage in range(n):
        transition[stage, 0, stage + 1] = 1
        transition[stage, 1, max(stage - 1, 0)] = 1
        transition[stage, 2, quit_] = 1
        reward[stage, 0] = -cost + (stage == n - 1)
        reward[stage, 2] = 0.01
    transition[done:, :, quit_] = 1
    return Tabular.of(transition, reward, start=np.eye(n + 2)[0], terminal=np.arange(n + 2) >= done)


def short_or_safe(draw: np.random.Generator) -> Tabular:
    """A short way beside a pit and a long way round, both to the same reward; or home, for little."""
    short, long, fall = int(draw.integers(2, 4)), int(draw.integers(5, 8)), draw.uniform(0.3, 0.8)
    first, second, goal = 1, 1 + short, 1 + short + long
    n = goal + 2
    over = goal + 1
    transition, reward = np.zeros((n, 3, n)), np.zeros((n, 3))
    transition[0, [0, 1, 2], [first, second, over]] = 1
    reward[0, 2] = 0.05
    for place in range(first, goal):
        last = place in (second - 1, goal - 1)
        risky = place < second
        transition[place, 0, goal if last else place + 1] = 1
        transition[place, 1:, over if risky else place] = 1
        reward[place, 0] = float(last)
        reward[place, 1:] = -fall if risky else 0.0
    transition[goal:, :, over] = 1
    return Tabular.of(transition, reward, start=np.eye(n)[0], terminal=np.arange(n) >= goal)


FAMILIES = {"near or far": near_or_far, "effort or rest": effort_or_rest, "short or safe": short_or_safe}


def moved(found: BehaviourMap, move: tuple[int, int]) -> np.ndarray:
    """The type of every pair of traits after an intervention; traits stay on the map."""
    rows, columns = np.indices(found.label.shape)
    return found.label[np.clip(rows + move[0], 0, GRID - 1), np.clip(columns + move[1], 0, GRID - 1)]


def wanted(found: BehaviourMap) -> int:
    """The type of the most patient and confident user."""
    return int(found.label[-1, 0])


def designed(found: BehaviourMap) -> dict[int, tuple[int, int]]:
    """For each other type the intervention that brings most of it to the wanted behaviour."""
    target = wanted(found)
    return {
        one: max(
            MOVES.values(), key=lambda move, one=one: float((moved(found, move) == target)[found.label == one].mean())
        )
        for one in range(len(found.behaviours))
        if one != target
    }


def success(found: BehaviourMap, plan: dict[int, tuple[int, int]]) -> float:
    """The share of users of other types that the plan for their type brings to the wanted behaviour; 0 without a plan."""
    target = wanted(found)
    won = np.zeros(found.label.shape, bool)
    for one, move in plan.items():
        won |= (found.label == one) & (moved(found, move) == target)
    others = found.label != target
    return float(won[others].mean()) if others.any() else 1.0


def transferred(source: BehaviourMap, target: BehaviourMap) -> float:
    """The success in one world of what was designed in another, type for matching type."""
    match = sameness(source, target).match
    return success(target, {int(match[one]): move for one, move in designed(source).items() if match[one] >= 0})


def one_seed(seed: int) -> dict[str, float]:
    """Two worlds of each family, and everything that is between them."""
    draw = np.random.default_rng(seed)
    maps = {name: [behaviour_map(make(draw), *TRAITS) for _ in range(2)] for name, make in FAMILIES.items()}
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for name, (one, other) in maps.items():
        note("types", len(one.behaviours))
        note("designed here", success(other, designed(other)))
        for target, source, kind in [(other, one, "same"), *((other, maps[x][0], "other") for x in maps if x != name)]:
            note(f"equivalent, {kind} family", float(sameness(source, target).same))
            note(f"transferred, {kind} family", transferred(source, target))
        for move_name, move in MOVES.items():
            note(f"{move_name} for all", success(other, dict.fromkeys(range(len(other.behaviours)), move)))
    return {name: float(np.mean(values)) for name, values in found.items()}


def measure(seeds: Sequence[int]) -> Measured:
    """Shares of pairs of worlds that are equivalent, and of users whom an intervention brings where it should."""
    found = [one_seed(seed) for seed in seeds]
    return Measured({name: np.array([one[name] for one in found]) for name in found[0]})


CLAIM = Claim(
    recipe="user-types-behaviour-maps",
    statement=(
        "Worlds that pose the same dilemma in other numbers admit the same user types more often than worlds that pose "
        "others, and interventions designed for the types of one work better in another of the same dilemma."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        greater("equivalent, same family", "equivalent, other family"),
        greater("transferred, same family", "transferred, other family"),
    ),
    unit={
        "equivalent, same family": "share of pairs of worlds",
        "equivalent, other family": "share of pairs of worlds",
        "transferred, same family": "share of users brought to the wanted behaviour",
        "transferred, other family": "share of users brought to the wanted behaviour",
    },
    settings={"grid": GRID, "discounts": [0.05, 0.97], "noises": [0.0, 0.9], "interventions": MOVES},
    tried={name: ["as it stands"] for name in ("transferred, same family", "transferred, other family")},
    seeds=8,
    notes=(
        "Three families of small worlds of ours (a near or a far reward, effort or rest, a short or a safe way), two draws "
        "of each a seed. The wanted behaviour is that of the most patient and confident user; interventions raise patience, "
        "confidence or some of both by a fixed number of cells. Nothing was tuned."
    ),
)
