"""Judgements of short stories, people's beside a judge's: do they agree, and do they weigh the same things alike."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.conjoint import component_effects
from pilothouse.statistics.improvement import probability_of_improvement

Judge = Callable[[str], float]
"""`judge(story) -> how surely it answers yes`, from 0 to 1."""


class Story(NamedTuple):
    """A story with its question, which `factors` are present in it, and the share of people who answered yes."""

    text: str
    factors: Mapping[str, bool]
    yes: float


def read_stories(path: str | Path) -> list[Story]:
    """Stories from a JSONL file: `{"story": "…", "factors": {"norm violated": true}, "yes": 0.8}` a line.

    Raises `DataError` that names file and line for anything else, and for stories annotated by different factors.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"{path} cannot be read: {fault}. Give a JSONL file in UTF-8.") from fault
    found: list[Story] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            text, factors, yes = row["story"], dict(row["factors"]), float(row["yes"])
            known = isinstance(text, str) and all(value in (True, False) for value in factors.values())
            if not known or not 0 <= yes <= 1 or (found and set(factors) != set(found[0].factors)):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DataError(
                f'{path}, line {number}: expected {{"story": "…", "factors": {{"norm violated": true}}, "yes": 0.8}}, with '
                "the same factors in every line and a share from 0 to 1."
            ) from None
        found.append(Story(text, {name: bool(value) for name, value in factors.items()}, yes))
    if not found:
        raise DataError(f"{path} holds no stories.")
    return found


def answers_of(judge: Judge, stories: Sequence[Story]) -> Float[np.ndarray, " story"]:
    """What the judge says of each. Raises `SettingError` for anything but a number from 0 to 1."""
    said = np.array([float(judge(one.text)) for one in stories])
    if not ((said >= 0) & (said <= 1)).all():
        wrong = int(np.argmin((said >= 0) & (said <= 1)))
        raise SettingError(f"The judge said {said[wrong]} of {stories[wrong].text!r}; expected a number from 0 to 1.")
    return said


def alignment(said: Float[np.ndarray, " story"], stories: Sequence[Story]) -> Mapping[str, float]:
    """`agreement`, the share of stories on which the judge takes the side of most people (a judge of exactly 1/2 half does;
    stories that divide people evenly do not count); `auc`, the chance that of two stories the one that most people
    affirm is the one it says a surer yes to; `error`, the mean distance from the share of people who say yes.

    Agreement and `auc` are left out where they are of nothing. Raises `DataError` for another number of answers.
    """
    people = np.array([one.yes for one in stories])
    if len(said) != len(people) or not len(people):
        raise DataError(f"{len(said)} answers to {len(people)} stories; give one for each, of one at least.")
    found = {"error": float(np.abs(said - people).mean())}
    yes, no = people > 0.5, people < 0.5
    if (yes | no).any():
        sides = np.where(said == 0.5, 0.5, (said > 0.5) == yes)
        found["agreement"] = float(sides[yes | no].mean())
    if yes.any() and no.any():
        found["auc"] = probability_of_improvement(said[yes], said[no])
    return found


def tendencies(
    said: Float[np.ndarray, " story"], stories: Sequence[Story], *, level: float = 0.95
) -> Mapping[str, float | int]:
    """What each factor adds to the chance of a yes: people's and the judge's average marginal component effects.

    `people/<factor>`, `judge/<factor>`, `apart/<factor>` (the judge's less people's, on the same stories) with its
    `…/half_width`, and `weighed_otherwise`: how many factors' intervals of that leave 0 out. Raises as
    `component_effects`.
    """
    names = list(stories[0].factors)
    factors = np.array([[one.factors[name] for name in names] for one in stories], np.float64)
    people = np.array([one.yes for one in stories])
    of_people, of_judge = (component_effects(factors, one, level=level) for one in (people, said))
    between = component_effects(factors, said - people, level=level)
    found: dict[str, float | int] = {}
    for number, name in enumerate(names):
        found |= {
            f"people/{name}": float(of_people.effect[number]),
            f"judge/{name}": float(of_judge.effect[number]),
            f"apart/{name}": float(between.effect[number]),
            f"apart/{name}/half_width": float(between.half_width[number]),
        }
    found["weighed_otherwise"] = int((np.abs(between.effect) > between.half_width).sum())
    return found
