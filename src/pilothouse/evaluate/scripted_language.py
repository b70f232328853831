"""A small language whose next word hangs on the two before, models of it that read ever more, and questions about it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from pilothouse.evaluate.choice_scores import ChoiceQuestion

WORDS = 24


def language(generator: np.random.Generator, *, sharpness: float = 0.15) -> Float[np.ndarray, "first second next"]:
    """The chance of every next word after every two: near a chance that hangs on the last word alone."""
    last = generator.dirichlet(np.full(WORDS, 0.3), WORDS)
    found = np.stack([generator.dirichlet(row / sharpness + 1e-3, WORDS) for row in last], axis=1)
    found = np.maximum(found, 1e-9)
    return found / found.sum(axis=-1, keepdims=True)


def text(
    chances: Float[np.ndarray, "first second next"], words: int, generator: np.random.Generator, *, threads: int = 100
) -> Int[np.ndarray, "thread word"]:
    """About so many words, in threads of their own."""
    cumulative = chances.cumsum(axis=-1)
    found = [generator.integers(0, WORDS, threads), generator.integers(0, WORDS, threads)]
    for _ in range(max(words // threads - 2, 1)):
        draw = generator.random((threads, 1))
        found.append(np.minimum((cumulative[found[-2], found[-1]] < draw).sum(axis=1), WORDS - 1))
    return np.stack(found, axis=1)


class CountingModel:
    """Counts of one, two and three words in a row, each smoothed towards the shorter, as much as `trust` more counts."""

    def __init__(self, read: Int[np.ndarray, "thread word"], *, trust: float = 5.0):
        three = np.zeros((WORDS, WORDS, WORDS))
        np.add.at(three, (read[:, :-2], read[:, 1:-1], read[:, 2:]), 1)
        two, one = three.sum(axis=0), three.sum(axis=(0, 1))
        chance = (one + trust / WORDS) / (one.sum() + trust)
        after_one = (two + trust * chance) / (two.sum(axis=-1, keepdims=True) + trust)
        self.after_two = (three + trust * after_one) / (three.sum(axis=-1, keepdims=True) + trust)

    def __call__(self, questions: Sequence[ChoiceQuestion]) -> Float[np.ndarray, "question choice"]:
        """Log-probabilities of choices of one word, behind prompts that end with two."""
        prompts = np.array([[int(word) for word in one.prompt.split()[-2:]] for one in questions])
        choices = np.array([[int(word) for word in one.choices] for one in questions])
        return np.log(self.after_two[prompts[:, :1], prompts[:, 1:], choices])


def choice_questions(
    chances: Float[np.ndarray, "first second next"],
    count: int,
    generator: np.random.Generator,
    *,
    choices: int = 4,
    plausible: bool = True,
) -> list[ChoiceQuestion]:
    """Which word is likeliest after two; the others are the next likeliest (`plausible`), or any of the less likely half."""
    found = []
    for _ in range(count):
        first, second = (int(word) for word in generator.integers(0, WORDS, 2))
        order = np.argsort(-chances[first, second])
        others = order[1:choices] if plausible else generator.choice(order[WORDS // 2 :], choices - 1, replace=False)
        offered = generator.permutation(np.r_[order[0], others])
        words = tuple(str(word) for word in offered)
        found.append(ChoiceQuestion(f"{first} {second}", words, int(np.flatnonzero(offered == order[0])[0])))
    return found
