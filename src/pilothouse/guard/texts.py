"""How brittle is a language model: the same tasks, asked with mistakes of typing, in capitals, with gaps, or hotter.

Only what leaves the question the same question: digits, signs and the order of words stay. A disturbance that finds
nothing to disturb in any prompt (no letters, no gaps) is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import PilothouseError
from pilothouse.guard.robustness import Curve, Remember, Stress, curve_of
from pilothouse.policies.host import brief
from pilothouse.worlds.tasks import TextTask

Score = Callable[[Sequence[TextTask], float], Float[np.ndarray, "tasks samples"]]
"""`(tasks, temperature) -> scores`: asks the model and verifies what it writes."""
Disturb = Callable[[str, float, np.random.Generator], str]
"""`(prompt, level, generator) -> prompt`."""


def mistyped(text: str, share: float, generator: np.random.Generator) -> str:
    """Two neighbouring letters of a word change places, for about this share of the letters; each moves once at most."""
    found, place = list(text), 0
    while place + 1 < len(found):
        pair = found[place : place + 2]
        if all(sign.isalpha() for sign in pair) and generator.random() < share / 2:
            found[place : place + 2] = reversed(pair)
            place += 1
        place += 1
    return "".join(found)


def shouted(text: str, share: float, generator: np.random.Generator) -> str:
    """This share of the words in capitals."""
    words = text.split(" ")
    return " ".join(word.upper() if generator.random() < share else word for word in words)


def spaced(text: str, share: float, generator: np.random.Generator) -> str:
    """This share of the gaps between words three blanks wide."""
    return "".join("   " if sign == " " and generator.random() < share else sign for sign in text)


DISTURBANCES: dict[str, tuple[Disturb, str, tuple[float, ...]]] = {
    "typing mistakes": (mistyped, "share of letters", (0.0, 0.05, 0.1, 0.2, 0.4)),
    "capitals": (shouted, "share of words", (0.0, 0.25, 0.5, 1.0)),
    "wide gaps": (spaced, "share of gaps", (0.0, 0.25, 0.5, 1.0)),
}


def robustness_of_texts(
    score: Score,
    tasks: Sequence[TextTask],
    temperature: float,
    nominal: Float[np.ndarray, " tasks"],
    chance: float,
    *,
    seed: int = 0,
    quick: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    remember: Remember = lambda name, work: work(),
) -> list[Curve]:
    """One curve for each disturbance, and one over temperatures: the score of every task at every level.

    `nominal` are the scores of the undisturbed tasks at `temperature`, `chance` what answering at random earns. A level
    that fails (a model whose words lack the signs) is written down, and the rest goes on.
    """
    plain = {"returns": [float(each) for each in nominal], "unfinished": 0, "fault": None}
    stresses: list[tuple[Stress, Disturb | None]] = []
    for name, (disturb, unit, levels) in DISTURBANCES.items():
        ends = (levels[0], levels[len(levels) // 2], levels[-1]) if quick else levels
        if any(disturb(task.prompt, levels[-1], np.random.default_rng(0)) != task.prompt for task in tasks):
            stresses.append((Stress(name, unit, ends), disturb))
    heats = sorted({temperature, *((0.0, 1.0) if quick else (0.0, 0.5, 1.0, 1.5))})
    stresses.append((Stress("temperature", "of drawing tokens", tuple(heats), temperature), None))
    total, done, curves = sum(len(stress.levels) - 1 for stress, _ in stresses), 0, []
    for stress, disturb in stresses:
        found = []
        for level in stress.levels:
            if level == stress.nominal:
                found.append(plain)
                continue
            if progress is not None:
                progress(done, total, f"{stress.name} {level:g}")
            done += 1

            heat = temperature if disturb is not None else level
            asked = tasks if disturb is None else _disturbed(tasks, disturb, level, seed)
            found.append(remember(f"{stress.name} {level:g}", partial(_level, score, asked, heat)))
        curves.append(curve_of(stress, found, chance))
    return curves


def _disturbed(tasks: Sequence[TextTask], disturb: Disturb, level: float, seed: int) -> list[TextTask]:
    generator = np.random.default_rng([seed, round(level * 1000)])
    return [replace(task, prompt=disturb(task.prompt, level, generator)) for task in tasks]


def _level(score: Score, tasks: Sequence[TextTask], temperature: float) -> dict[str, Any]:
    try:
        scores = score(tasks, temperature)
    except PilothouseError as fault:
        return {"returns": [], "unfinished": 0, "fault": brief(fault)}
    return {"returns": [float(each) for each in scores.mean(axis=1)], "unfinished": 0, "fault": None}
