"""What the sets of the offline suite are: where, acted by whom, and the returns between which they are normalised."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pilothouse.core.errors import SettingError
from pilothouse.data.references import normalised
from pilothouse.evaluate.episodes import evaluate_policy
from pilothouse.evaluate.scripted_data import SwingUp
from pilothouse.evaluate.scripted_suite import MazePlanner, Rocking, near_tasks
from pilothouse.evaluate.suite_actors import AGES, ENVIRONMENTS, checksum, committed_actors, exploring, open_actors
from pilothouse.policies.policy import Policy, Random
from pilothouse.train.policy_files import SavedPolicy
from pilothouse.train.resolve import environment_source, world_source
from pilothouse.train.sources import SimulatorSource, WorldSource

REFERENCE_EPISODES = 20
RANDOM_EPISODES = 100
EXPERT = {"Hopper-v5": 3234.3, "HalfCheetah-v5": 12135.0, "Walker2d-v5": 4592.3}
"""Mean returns that D4RL (Fu et al., arXiv:2004.07219) calls expert. They decide about the word, and nothing else."""
STITCH = 2
"""Cells at most between start and goal of the set `stitch`."""
RESULTS = "suite.json"


Tell = Callable[[str], None]

FAMILIES = {
    "Hopper-v5": "hopper",
    "HalfCheetah-v5": "halfcheetah",
    "Walker2d-v5": "walker2d",
    "point-maze": "pointmaze",
    "pendulum-sparse": "pendulum-sparse",
    "mountain-car-sparse": "mountaincar-sparse",
}
"""The place of each family of sets, and what their names begin with."""


@dataclass(frozen=True)
class Piece:
    """Who acts (`random`, an age, or a controller), for which share of the rows."""

    told: str
    policy: Policy
    share: float
    draw: Callable[[Any], Any] | None = None
    """Of tasks, in JAX worlds; the world's own where None."""


@dataclass(frozen=True)
class SetPlan:
    """A dataset to be recorded: `name`, where, by whom. `references`: mean returns at random and of the best."""

    name: str
    place: SimulatorSource | WorldSource
    pieces: tuple[Piece, ...]
    references: tuple[float, float]
    about: str

    @property
    def description(self) -> str:
        who = "; ".join(f"{piece.share:.0%} {piece.told}" for piece in self.pieces)
        return f"{self.about} Acted by: {who}."


@dataclass
class Measured:
    """Mean returns: `random` and `best`, and of every age, each with its episodes; what `suite.json` keeps."""

    random: dict[str, Any]
    best: dict[str, Any]
    ages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def references(self) -> tuple[float, float]:
        return self.random["mean"], self.best["mean"]


@cache
def committed() -> dict[str, Any]:
    """What is known of the suite: reference returns, and fingerprints of the sets of `SIZE` transitions."""
    file = resources.files("pilothouse.evaluate") / RESULTS
    return json.loads(file.read_text("utf-8")) if file.is_file() else {"references": {}, "sets": {}}


def plans_of(
    place: str, folders: Mapping[int, Path] | None, known: Mapping[str, Any], tell: Tell
) -> tuple[Measured, list[SetPlan]]:
    """The sets of one place, and the references that they are normalised by.

    `folders`: agents by age, those that are committed where None; `known`: what was measured before, by place, which
    is not measured again where it was of these very agents. Raises `SettingError` where there are no agents.
    """
    if place in ENVIRONMENTS:
        folders = committed_actors(place) if folders is None else folders
        if not folders:
            raise SettingError(f"No actors of {place} are committed; make them with --train.")
        return _simulator_plans(place, folders, known, tell)
    plans = {"point-maze": _maze_plans, "pendulum-sparse": _pendulum_plans, "mountain-car-sparse": _car_plans}
    return plans[place](known, tell)


def _simulator_plans(
    name: str, folders: Mapping[int, Path], known: Mapping[str, Any], tell: Tell
) -> tuple[Measured, list[SetPlan]]:
    place, actors = environment_source(name), open_actors(folders)
    sums = {str(age): checksum(folder) for age, folder in folders.items()}
    measured = _known(name, sums, known)
    if measured is None:
        tell(f"measuring the agents of {name}, {REFERENCE_EPISODES} episodes each")
        ages = {str(age): _age(actor, place) | {"checksum": sums[str(age)]} for age, actor in actors.items()}
        oldest = max(ages, key=lambda age: ages[age]["mean"])
        best = {key: ages[oldest][key] for key in ("mean", "interval", "episodes")}
        best["by"] = f"the likeliest actions of SAC after {int(oldest):,} environment steps"
        measured = Measured(_mean("random", place, RANDOM_EPISODES), best, ages)
    scores = {age: float(normalised(measured.ages[str(age)]["drawn"]["mean"], measured.references)) for age in AGES}
    best = max(AGES, key=lambda age: scores[age])
    middle = min((age for age in AGES if age != best), key=lambda age: abs(scores[age] - 0.5))
    level = level_of(scores[middle])
    top = "expert" if measured.best["mean"] >= 0.9 * EXPERT[name] else "best"

    def by(age: int, share: float) -> Piece:
        told = f"SAC after {age:,} environment steps, its actions drawn (normalised return {scores[age]:.2f})"
        return Piece(told, exploring(actors[age]), share)

    short = FAMILIES[name]
    chance = Piece("uniformly random actions", Random(place.spec.action), 1.0)
    return measured, [
        SetPlan(f"{short}-random-v0", place, (chance,), measured.references, f"{name}, acted in at random."),
        SetPlan(f"{short}-{level}-v0", place, (by(middle, 1.0),), measured.references, f"{name}, one agent half way."),
        SetPlan(
            f"{short}-medium-replay-v0",
            place,
            tuple(by(age, 1 / len(AGES)) for age in AGES),
            measured.references,
            f"{name}, one agent at five ages in equal shares, youngest first: a mixture, not the replay itself.",
        ),
        SetPlan(
            f"{short}-{level}-{top}-v0",
            place,
            (by(middle, 0.5), by(best, 0.5)),
            measured.references,
            f"{name}, half by an agent half way and half by the best age.",
        ),
    ]


def level_of(score: float) -> str:
    """What a policy of this normalised return is called, 1 being the best that was measured."""
    return "poor" if score < 0.25 else "medium" if score < 0.75 else "good"


def _maze_plans(known: Mapping[str, Any], tell: Tell) -> tuple[Measured, list[SetPlan]]:
    place = world_source("point-maze")
    maze: Any = place.world
    measured = _scripted(place, MazePlanner(maze, 0.0), "the planner without noise", known, tell)
    said = "Point maze `umaze`, sparse reward."
    noisy, wandering = MazePlanner(maze, 0.5), MazePlanner(maze, 0.5, wander=True)
    kinds = {
        "navigate": Piece("a noisy planner that walks to the episode's goal", noisy, 1.0),
        "stitch": Piece(
            f"the same planner, goals at most {STITCH} cells away", noisy, 1.0, draw=near_tasks(maze, STITCH)
        ),
        "play": Piece("a noisy planner that walks to cells of its own choice, whatever the goal", wandering, 1.0),
    }
    return measured, [
        SetPlan(f"pointmaze-{kind}-v0", place, (piece,), measured.references, said) for kind, piece in kinds.items()
    ]


def _pendulum_plans(known: Mapping[str, Any], tell: Tell) -> tuple[Measured, list[SetPlan]]:
    place = world_source("pendulum-sparse")
    measured = _scripted(place, SwingUp(2.0, 0.0), "the swing-up controller without noise", known, tell)
    pieces = (
        Piece("uniformly random torques", Random(place.spec.action), 0.3),
        Piece("a weak and noisy swing-up controller", SwingUp(0.6, 1.5), 0.5),
        Piece("a good swing-up controller", SwingUp(2.0, 0.2), 0.2),
    )
    said = "Pendulum, 1 for each step that ends nearly upright and slowly, else 0."
    return measured, [SetPlan("pendulum-sparse-v0", place, pieces, measured.references, said)]


def _car_plans(known: Mapping[str, Any], tell: Tell) -> tuple[Measured, list[SetPlan]]:
    place = world_source("mountain-car-sparse")
    measured = _scripted(place, Rocking(1.0, 0.0), "full pushes the way that the car rolls", known, tell)
    pieces = (
        Piece("uniformly random pushes", Random(place.spec.action), 0.3),
        Piece("weak and noisy pushes the way that the car rolls", Rocking(0.25, 0.6), 0.5),
        Piece("strong pushes the way that the car rolls", Rocking(0.9, 0.2), 0.2),
    )
    said = "Mountain car with continuous pushes, 1 on reaching the flag, else 0."
    return measured, [SetPlan("mountaincar-sparse-v0", place, pieces, measured.references, said)]


def _scripted(place: WorldSource, best: Policy, told: str, known: Mapping[str, Any], tell: Tell) -> Measured:
    measured = _known(place.name, {}, known)
    if measured is not None:
        return measured
    tell(f"measuring the references of {place.name}")
    return Measured(_mean("random", place, RANDOM_EPISODES), _mean(best, place, RANDOM_EPISODES) | {"by": told})


def _known(place: str, sums: Mapping[str, str], known: Mapping[str, Any]) -> Measured | None:
    """What was measured of these very agents."""
    found = known.get(place)
    if found is None or {age: row["checksum"] for age, row in found["ages"].items()} != dict(sums):
        return None
    return Measured(**found)


def _age(actor: SavedPolicy, place: SimulatorSource) -> dict[str, Any]:
    """Of its likeliest actions, and, as `drawn`, of the actions that it draws, which is how it is recorded."""
    drawn = _mean(exploring(actor), place, REFERENCE_EPISODES) | {"by": "actions drawn as in training"}
    return {**_mean(actor, place, REFERENCE_EPISODES), "drawn": drawn}


def _mean(policy: Policy | str, place: SimulatorSource | WorldSource, episodes: int) -> dict[str, Any]:
    found = evaluate_policy(policy, place, episodes=episodes)
    by = "uniformly random actions" if isinstance(policy, str) else "its likeliest actions"
    return {"mean": found.mean, "interval": found.interval.to_json(), "episodes": episodes, "by": by}
