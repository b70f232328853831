"""Who is ahead, who ties: of several methods with a score for each seed, which cannot be told from the best."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.statistics.aggregates import interquartile_mean
from pilothouse.statistics.paired import paired_difference_interval


def surely_ahead(first: ArrayLike, second: ArrayLike) -> bool:
    """Whether the 95% interval of the paired differences `first - second`, seed by seed, lies wholly above zero.

    `first`, `second`: `[seed]`, of the same seeds. Fewer than two seeds show nothing.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return len(a) >= 2 and paired_difference_interval(a, b).above(0.0)


def tied_with(best: int, count: int, ahead: Callable[[int, int], bool]) -> list[int]:
    """`best`, and all of `count` methods that `best` is not ahead of, by place; the best first."""
    return [best, *(other for other in range(count) if other != best and not ahead(best, other))]


def share_on_top(
    scores: Sequence[Float[np.ndarray, "seed episode"]], chosen: Sequence[int], *, resamples: int = 2000, seed: int = 0
) -> float:
    """In what share of bootstrap resamples of seeds one of the `chosen` has the highest interquartile mean.

    Within each method whole seeds are drawn again, and the episodes of all methods alike: they begin alike. How sure
    one may be of a choice, in [0, 1].
    """
    generator = np.random.default_rng(seed)
    episodes = generator.integers(scores[0].shape[1], size=(resamples, scores[0].shape[1]))
    tops = np.stack([_resampled(values, episodes, generator) for values in scores], axis=1)
    return float(np.isin(tops.argmax(axis=1), list(chosen)).mean())


def _resampled(
    values: Float[np.ndarray, "seed episode"], episodes: np.ndarray, generator: np.random.Generator
) -> Float[np.ndarray, " resample"]:
    seeds = generator.integers(len(values), size=(len(episodes), len(values)))
    found = [
        interquartile_mean(values[s[:, :, None], e[:, None, :]], axis=(-2, -1))
        for s, e in zip(np.array_split(seeds, 8), np.array_split(episodes, 8), strict=True)
    ]
    return np.concatenate([np.atleast_1d(f) for f in found])
