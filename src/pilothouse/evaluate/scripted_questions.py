"""Questions about harbours that may freeze, of known chances, with a crowd that forecasts them."""

import re

import numpy as np
import scipy.special

from pilothouse.evaluate.forecasting import Question

RECORD = re.compile(r"in (\d+) of the last (\d+) winters")


def scripted_questions(
    count: int,
    generator: np.random.Generator,
    *,
    crowd: int = 15,
    spread: float = 2.0,
    noise: float = 1.2,
    winters: int = 8,
) -> list[Question]:
    """Chances with log-odds of this spread; each of the crowd knows them up to noise of its own, in log-odds.

    The words tell how often it happened in so many winters, each with the same chance.
    """
    found = []
    for number in range(count):
        odds = spread * generator.normal()
        chance = float(scipy.special.expit(odds))
        times = int(generator.binomial(winters, chance))
        said = scipy.special.expit(odds + noise * generator.normal(size=crowd))
        text = f"Harbour {number} froze in {times} of the last {winters} winters. Will it freeze this winter?"
        found.append(Question(text, tuple(said.tolist()), bool(generator.random() < chance)))
    return found


def by_the_record(text: str) -> float:
    """Reads the record and says Laplace's (k + 1) / (n + 2); 1/2 where there is none."""
    found = RECORD.search(text)
    return (int(found[1]) + 1) / (int(found[2]) + 2) if found else 0.5
