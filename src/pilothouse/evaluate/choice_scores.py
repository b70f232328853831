"""Multiple choice by likelihood: from what models of every scale think of each choice to accuracy, step by step.

Scores are oriented so that more is better, and how far each follows scale is asked of every question by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.interval import finite_scores


class ChoiceQuestion(NamedTuple):
    """A prompt, the choices that may follow it, and which of them is right, from 0."""

    prompt: str
    choices: tuple[str, ...]
    correct: int


Scorer = Callable[[Sequence[ChoiceQuestion]], np.ndarray]
"""`scorer(questions) -> [question, choice]`: log-probability of each choice behind its prompt, in nats, over all texts."""

STEPS = ("log p vocab", "p vocab", "p choices", "brier", "accuracy")
"""Every score is made from the ones before it, and the last forgets the most."""


def scores_of(
    log_probs: Float[np.ndarray, "question choice"], correct: Int[np.ndarray, " question"]
) -> Mapping[str, Float[np.ndarray, " question"]]:
    r"""What one model makes of every question, by name of `STEPS`, each larger where it is better.

    `log p vocab` and `p vocab`, of the right choice among all texts; `p choices`, of the right choice among the choices,
    $p_r / \sum_c p_c$; `brier`, less the squared distance of those from 1 for the right and 0 for the others; `accuracy`,
    whether the right one is likeliest, shared among equals.

    **Raises:** `DataError` for log-probabilities above 0, or a right choice that is none.
    """
    known = finite_scores(log_probs, "log-probabilities", 2)
    place = np.asarray(correct)
    if (known > 1e-6).any() or place.shape != known.shape[:1] or (place < 0).any() or (place >= known.shape[1]).any():
        raise DataError(
            f"Log-probabilities of shape {known.shape}, at most {known.max():.3g}, and {place.size} right choices; expected "
            "none above 0, and one right choice of each question's."
        )
    rows = np.arange(len(known))
    among = np.exp(known - known.max(axis=1, keepdims=True))
    share = among / among.sum(axis=1, keepdims=True)
    truth = np.zeros_like(share)
    truth[rows, place] = 1
    likeliest = known == known.max(axis=1, keepdims=True)
    return {
        "log p vocab": known[rows, place],
        "p vocab": np.exp(known[rows, place]),
        "p choices": share[rows, place],
        "brier": -((share - truth) ** 2).sum(axis=1),
        "accuracy": likeliest[rows, place] / likeliest.sum(axis=1),
    }


def correlations_with_scale(
    compute: ArrayLike, scores: Float[np.ndarray, "model question"], *, ranks: bool = True
) -> Float[np.ndarray, " question"]:
    """How far each question's score follows the logarithm of compute: Spearman's correlation, or Pearson's.

    A score that is the same at every scale says nothing of it, and counts 0. Raises `DataError` for fewer than three
    models, compute that is not above 0, or all alike.
    """
    sizes, values = finite_scores(compute, "compute", 1), finite_scores(scores, "scores", 2)
    if len(sizes) < 3 or len(values) != len(sizes) or not (sizes > 0).all() or np.ptp(sizes) == 0:
        raise DataError(f"{len(sizes)} sizes of compute and {len(values)} models; give three or more, above 0.")
    scale = np.log(sizes)
    if ranks:
        scale, values = scipy.stats.rankdata(scale), scipy.stats.rankdata(values, axis=0)
    scale, values = scale - scale.mean(), values - values.mean(axis=0)
    size = np.sqrt((scale**2).sum() * (values**2).sum(axis=0))
    return np.divide(scale @ values, size, out=np.zeros(values.shape[1]), where=size > 1e-12)


def survival(correlations: Float[np.ndarray, " question"], above: float) -> float:
    """The share of questions whose score follows scale more closely than that."""
    return float((np.asarray(correlations) > above).mean())


def scores_over_scale(
    family: Mapping[float, Scorer], questions: Sequence[ChoiceQuestion]
) -> Mapping[str, Float[np.ndarray, "model question"]]:
    """Every score of every model, from the smallest compute to the largest. Raises `SettingError` for other shapes."""
    correct = np.array([one.correct for one in questions])
    found: dict[str, list[np.ndarray]] = {name: [] for name in STEPS}
    for compute in sorted(family):
        said = np.asarray(family[compute](questions), np.float64)
        if said.shape != (len(questions), len(questions[0].choices)):
            raise SettingError(
                f"The model of compute {compute:g} gave {said.shape} log-probabilities; expected one for each of "
                f"{len(questions)} questions and their {len(questions[0].choices)} choices."
            )
        for name, values in scores_of(said, correct).items():
            found[name].append(values)
    return {name: np.stack(values) for name, values in found.items()}
