"""Does a language model know when it is wrong: its own probability of a completion as a forecast of its being right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import DataError
from pilothouse.statistics import Interval
from pilothouse.statistics.bootstrap import percentile_interval
from pilothouse.statistics.improvement import probability_of_improvement
from pilothouse.statistics.interval import unknown_interval

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Completions of like confidence: the mean of it, the share that is right, how many."""

    confidence: float
    right: float
    count: int


@dataclass(frozen=True)
class SelfKnowledge:
    """How far confidence tells right from wrong.

    `discrimination`: the chance that a right completion is more confident than a wrong one, ties counting half (the area
    under the ROC curve; 0.5 says nothing), with its 95% `interval` over prompts; NaN where all are right or all wrong.
    `error`: the expected calibration error, the mean over bins of |share right - confidence|. `brier`: the mean squared
    error of confidence as a forecast, beside `base`, that of always saying the overall share. `randomised`: the
    discrimination of a model whose weights were drawn anew, on the same completions.
    """

    discrimination: float
    interval: Interval
    error: float
    brier: float
    base: float
    bins: tuple[Bin, ...]
    randomised: float

    @property
    def sanity_passed(self) -> bool:
        """Whether it tells right from wrong for sure, and a randomised model does not tell as much."""
        return bool(self.interval.above(0.5) and self.randomised < self.discrimination)

    def as_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "interval": self.interval.to_json(),
            "bins": [asdict(each) for each in self.bins],
            "sanity_passed": self.sanity_passed,
        }


def self_knowledge(
    confidence: Float[np.ndarray, "prompts samples"],
    right: Float[np.ndarray, "prompts samples"],
    randomised: Float[np.ndarray, "prompts samples"],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> SelfKnowledge:
    """Measure confidence in [0, 1] against what was right (scores in [0, 1]; right is 1).

    `confidence` is the geometric mean of a completion's token probabilities, so that long answers are not doubted for
    their length; `randomised`, the same by another model. The interval is the percentile interval of prompts drawn with
    replacement. Raises `DataError` for shapes that differ, or confidence out of range.

    **Source:** Kadavath et al., "Language Models (Mostly) Know What They Know", arXiv:2207.05221; Guo et al.,
    arXiv:1706.04599 (calibration error).
    """
    if not confidence.shape == right.shape == randomised.shape or confidence.ndim != 2 or not confidence.size:
        raise DataError(f"Confidence of shape {confidence.shape} for scores of shape {right.shape}; expected as many.")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise DataError("Confidence outside [0, 1]; expected probabilities.")
    truth = right == 1
    generator = np.random.default_rng(seed)
    drawn = [
        _discrimination(confidence[rows], truth[rows])
        for rows in generator.integers(0, len(truth), (resamples, len(truth)))
    ]
    known = np.array([each for each in drawn if not np.isnan(each)])
    found = _discrimination(confidence, truth)
    sure = unknown_interval(0.95)
    if len(known) > resamples // 2 and not np.isnan(found):
        sure = percentile_interval(known, 0.95)
    bins = _bins(confidence.ravel(), truth.ravel())
    share = float(truth.mean())
    return SelfKnowledge(
        found,
        sure,
        float(sum(each.count * abs(each.right - each.confidence) for each in bins) / truth.size),
        float(np.mean((confidence - truth) ** 2)),
        share * (1 - share),
        bins,
        _discrimination(randomised, truth),
    )


def confidence_of(log_probs: Sequence[Sequence[Sequence[float]]]) -> Float[np.ndarray, "prompts samples"]:
    """The geometric mean of the token probabilities of each completion, from their logarithms."""
    return np.exp([[float(np.mean(one)) if len(one) else 0.0 for one in row] for row in log_probs])


def _discrimination(confidence: np.ndarray, truth: np.ndarray) -> float:
    yes, no = confidence[truth], confidence[~truth]
    return probability_of_improvement(yes, no) if len(yes) and len(no) else float("nan")


def _bins(confidence: np.ndarray, truth: np.ndarray) -> tuple[Bin, ...]:
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(float(confidence[which == i].mean()), float(truth[which == i].mean()), int((which == i).sum()))
        for i in range(BINS)
        if (which == i).any()
    )
