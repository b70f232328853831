"""Questions with reference answers, and completions that are right or wrong by how they were made.

Right ones say the answer in other words than the reference does: with its unit, as an equal fraction, in a sentence,
before an afterthought. Wrong ones are near misses, or name the right answer on their way to another.
"""

from collections.abc import Callable

import numpy as np

from pilothouse.evaluate.verification import Item
from pilothouse.worlds.tasks import TextTask

Writer = Callable[[bool], str]
"""`write(right)` -> a completion that is right, or wrong."""

CITIES = ("Lisbon", "Porto", "Genoa", "Bergen", "Valencia", "Tallinn", "Rotterdam", "Marseille")
LETTERS = "ABCD"


def scripted_items(questions: int, generator: np.random.Generator) -> list[Item]:
    """A right and a wrong completion of every question, kinds of answer in turn: the balanced part."""
    found = []
    for number in range(questions):
        kind = tuple(KINDS)[number % len(KINDS)]
        task, write = question(kind, generator)
        found += [Item(task, write(right), right, kind) for right in (True, False)]
    return found


def question(kind: str, generator: np.random.Generator) -> tuple[TextTask, Writer]:
    """A question of this kind, and whoever answers it, drawing from the same generator."""
    return KINDS[kind](generator)


def _pick(generator: np.random.Generator, *forms: str) -> str:
    return forms[int(generator.integers(len(forms)))]


def _number(generator: np.random.Generator) -> tuple[TextTask, Writer]:
    start, more, days = (int(generator.integers(*ends)) for ends in ((200, 2000), (20, 200), (3, 9)))
    total = start + more * days
    task = TextTask(
        f"A ship holds {start} crates and takes on {more} more on each of {days} days. How many?", f"{total}"
    )

    def write(right: bool) -> str:
        said = total if right else total + int(generator.choice([-100, -10, -1, 1, 10, 100]))
        forms = [
            f"{said}",
            f"{said:,}",
            f"{said}.0",
            f"{start} + {more} * {days} = {said}",
            f"There are {said} crates.",
        ]
        if right:
            forms += [f"{said} crates after {days} days.", f"I first thought {said + more}, but it is {said}."]
        else:
            forms += [f"I first thought {total}, but it is {said}.", f"{total}{generator.integers(10)}"]
        return _pick(generator, *forms)

    return task, write


def _fraction(generator: np.random.Generator) -> tuple[TextTask, Writer]:
    below = int(generator.choice([4, 5, 8, 20]))
    above = int(generator.choice([one for one in range(1, below) if np.gcd(one, below) == 1]))
    task = TextTask(f"What part of {below} watches are {above} watches?", f"{above}/{below}")

    def write(right: bool) -> str:
        over, under = (above, below) if right else (above, below + 1) if generator.random() < 0.5 else (below, above)
        forms = [f"{over}/{under}", f"It is {over}/{under}.", f"{2 * over}/{2 * under}", f"\\frac{{{over}}}{{{under}}}"]
        if right:
            forms += [f"{above / below:g}", f"{over}/{under} of them, or {100 * above / below:g}%."]
        else:
            forms += [f"Not {above}/{below} but {over}/{under}."]
        return _pick(generator, *forms)

    return task, write


def _choice(generator: np.random.Generator) -> tuple[TextTask, Writer]:
    answer = int(generator.integers(len(LETTERS)))
    cities = [str(city) for city in generator.choice(CITIES, len(LETTERS), replace=False)]
    offered = ", ".join(f"{letter}) {city}" for letter, city in zip(LETTERS, cities, strict=True))
    task = TextTask(f"Which port is {cities[answer]}? {offered}", LETTERS[answer])

    def write(right: bool) -> str:
        said = answer if right else int(generator.choice([one for one in range(len(LETTERS)) if one != answer]))
        letter, city = LETTERS[said], cities[said]
        forms = [letter, f"({letter})", f"{letter}) {city}", f"The answer is {letter}."]
        forms += [f"Not {LETTERS[answer]} but {letter}."] if not right else [f"{city}, which is {letter.lower()}"]
        return _pick(generator, *forms)

    return task, write


def _text(generator: np.random.Generator) -> tuple[TextTask, Writer]:
    answer, *others = (str(city) for city in generator.permutation(CITIES))
    task = TextTask(f"She left {others[0]} for {answer}. Where did she go?", answer)

    def write(right: bool) -> str:
        said = answer if right else others[0]
        forms = [said, f"{said}.", f"She went to {said}.", said.lower()]
        forms += [f"Not to {others[0]} but to {said}."] if right else [f"From {answer} to {said}."]
        return _pick(generator, *forms)

    return task, write


KINDS: dict[str, Callable[[np.random.Generator], tuple[TextTask, Writer]]] = {
    "number": _number,
    "fraction": _fraction,
    "choice": _choice,
    "text": _text,
}
