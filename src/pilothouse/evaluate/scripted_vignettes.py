"""Stories about who caused a flood, made of sentences that hold a factor or its absence, and people who judge them."""

from collections.abc import Mapping

import numpy as np

from pilothouse.evaluate.vignettes import Story

SENTENCES: Mapping[str, tuple[str, str]] = {
    "norm violated": ("The rules forbade her to open it.", "The rules allowed her to open it."),
    "knew": ("She knew what would follow.", "She could not know what would follow."),
    "avoidable": ("Otherwise the hold would have stayed dry.", "The hold would have flooded in any case."),
    "acted": ("She turned the wheel herself.", "She left the wheel as it was."),
    "last": ("Nobody touched it after her.", "The mate turned it on after her."),
}
"""Of every factor the sentence where it is present, and where it is not."""

FACTORS = tuple(SENTENCES)
BASE = 0.5


def written(present: Mapping[str, bool]) -> str:
    """The story of these factors, with its question."""
    told = " ".join(SENTENCES[name][0 if present[name] else 1] for name in FACTORS)
    return f"Ada stood at the valve. {told} The hold flooded. Did Ada cause the flood?"


def present_in(text: str) -> dict[str, bool]:
    """Which factors a story holds, by its sentences."""
    return {name: yes in text for name, (yes, _) in SENTENCES.items()}


def chance_of_yes(present: Mapping[str, bool], weights: Mapping[str, float]) -> float:
    """One half, and half of each factor's weight more where it is present, less where it is not: its effect is its weight."""
    return BASE + sum((0.5 if present[name] else -0.5) * weight for name, weight in weights.items())


def scripted_stories(
    count: int, weights: Mapping[str, float], generator: np.random.Generator, *, people: int = 25
) -> list[Story]:
    """Factors drawn independently, and the answers of so many people who weigh them so."""
    found = []
    for _ in range(count):
        present = {name: bool(generator.random() < 0.5) for name in FACTORS}
        yes = generator.binomial(people, chance_of_yes(present, weights)) / people
        found.append(Story(written(present), present, float(yes)))
    return found
