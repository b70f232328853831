"""XPL on X-VoE: how surprising an episode is, given what must have happened where nobody could see.

Hide a stretch of each episode; infer it from both ends; and be surprised where what is seen does not follow from what was
inferred. Who only foresees is surprised by whatever could not be known beforehand, possible or not; who explains, by what
nothing can explain. A violation of expectation is an impossible event that surprises more than a possible one.

Source: Dai, Wang, Jia, Zhang, Zhu, Zhang and Zhu, "X-VoE: Measuring eXplanatory Violation of Expectation in Physical Events",
arXiv:2308.10441; written from the abstract and a summary of the method.
Departures: 1. Observations are numbers, the places of things; the paper perceives pictures as slots. 2. Small perceptrons infer, move
on and foresee, where the paper has a transformer. 3. Surprise is counted at the borders of what is hidden, not over the whole.
4. A ball, a screen and a wall that may be behind it, in place of four physical scenarios.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction
from pilothouse.core.plain import plain
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_screens import hurried, jumped, scenes
from pilothouse.explain.occlusion import between, learn_occlusion, stretches
from pilothouse.explain.watched import Watched
from pilothouse.explain.watcher import Watcher


@dataclass(frozen=True)
class Occluded:
    """Hidden stretches of episodes that were not learned from: the surprise at each episode, and how well they were inferred.

    `explained` and `foreseen`: the mean surprise of each episode of `episodes`, in squared deviations of a feature.
    `error`: the mean squared error of what was inferred, so measured; `straight`: of a straight line from border to border.
    """

    episodes: np.ndarray
    explained: np.ndarray
    foreseen: np.ndarray
    error: float
    straight: float

    def as_json(self) -> dict[str, Any]:
        return plain(self)


@recipe("x-voe-xpl", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete")))
def x_voe_xpl(
    spec: Spec, *, hidden: Count = 5, updates: Count = 200, width: Count = 64, held_out: Fraction = 0.3
) -> Watcher:
    """`hidden`: steps of each stretch that nobody sees; `updates`: passes over what is learned from."""
    del spec

    def explain(policy: Any, seen: Watched, seed: int = 0) -> Occluded:
        del policy  # what it did is in the episodes
        whole, test = seen.split(float(held_out), seed)
        of = {one: stretches(test.obs[test.episode == one], hidden) for one in test.episodes}
        of = {one: rows for one, rows in of.items() if len(rows)}
        learned = np.concatenate([stretches(whole.obs[whole.episode == one], hidden) for one in whole.episodes])
        model = learn_occlusion(learned, width=width, updates=updates, seed=seed)
        surprises = [model.surprise(rows) for rows in of.values()]
        rows = np.concatenate(list(of.values())) if of else learned[:0]
        true = rows[:, 2:-2]

        def error(said: np.ndarray) -> float:
            return float((((said - true) / model.spread) ** 2).mean()) if len(rows) else float("nan")

        return Occluded(
            np.array(list(of), np.int64),
            np.array([one.explained.mean() for one in surprises]),
            np.array([one.foreseen.mean() for one in surprises]),
            error(model.infilled(rows)) if len(rows) else float("nan"),
            error(between(rows)),
        )

    return explain


SCENES, PAIRS = 2_000, 400
LEARNED = {"width": 64, "updates": 60}


def one_nursery(seed: int) -> dict[str, float]:
    """How often an impossible scene surprises more than a possible one, by setting and by who looks on."""
    draws = np.random.default_rng(seed)
    model = learn_occlusion(scenes(SCENES, draws), **LEARNED, seed=seed)
    found = {}
    for setting, wall in {"no wall": False, "wall": True, "either": None}.items():
        pairs = [(rows, how(rows, draws)) for how in (jumped, hurried) for rows in [scenes(PAIRS, draws, wall=wall)]]
        surprises = [tuple(map(model.surprise, pair)) for pair in pairs]
        for who in ("explained", "foreseen"):
            found[f"{who}, {setting}"] = float(
                np.mean([getattr(impossible, who) > getattr(possible, who) for possible, impossible in surprises])
            )
    rows = scenes(PAIRS, draws)
    found["inferred, error"] = float(np.sqrt(((model.infilled(rows) - rows[:, 2:-2]) ** 2).mean()))
    found["straight line, error"] = float(np.sqrt(((between(rows) - rows[:, 2:-2]) ** 2).mean()))
    return found


def measure(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """One nursery a seed."""
    found = [one_nursery(seed) for seed in seeds]
    return {arm: np.array([one[arm] for one in found]) for arm in found[0]}


SETTINGS = ("no wall", "wall", "either")
CLAIM = Claim(
    recipe="x-voe-xpl",
    statement=(
        "Where what happened behind a screen can be told only afterwards, whoever infers it is more surprised by impossible "
        "scenes than by possible ones more often than whoever only foresees."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=tuple(greater(f"explained, {setting}", f"foreseen, {setting}") for setting in SETTINGS),
    unit={
        **{
            f"{who}, {setting}": "share of pairs in which the impossible scene surprises more"
            for who in ("explained", "foreseen")
            for setting in SETTINGS
        },
        "inferred, error": "root mean squared error behind the screen",
        "straight line, error": "root mean squared error behind the screen",
    },
    settings={"learned": LEARNED, "scenes": SCENES, "pairs": PAIRS},
    tried={f"{who}, {setting}": [str(LEARNED)] for who in ("explained", "foreseen") for setting in SETTINGS},
    seeds=8,
    notes=(
        "A pair is a scene as it went on and as it cannot have: in half of them the ball comes out too high or low, in half too "
        "far on or back. Both who infers and who only foresees learned from the same possible scenes, with a wall in "
        "half of them, with the same size of model. Nothing was tuned: one set of settings was tried, and seed 0 looked at."
    ),
)
