"""Proper scores: what a forecast is worth once the outcome is known. Lower is better; honesty is the best forecast."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import finite_scores


def brier_scores(forecasts: ArrayLike, outcomes: ArrayLike) -> Float[np.ndarray, " question"]:
    """(p - y)² of every forecast probability p `[question]` of an event that did (1) or did not (0) happen; in [0, 1].

    A forecast of 1/2 scores 1/4 whatever happens.

    **Raises:** `DataError` for empty or unequally many, for probabilities outside [0, 1] and other outcomes than 0 and 1.

    **Source:** Brier (1950), "Verification of forecasts expressed in terms of probability", for two classes, halved.
    """
    said, happened = finite_scores(forecasts, "forecasts", 1), finite_scores(outcomes, "outcomes", 1)
    if said.shape != happened.shape:
        raise DataError(f"{len(said)} forecasts of {len(happened)} outcomes; give one for each.")
    if not ((said >= 0) & (said <= 1)).all() or not np.isin(happened, (0, 1)).all():
        raise DataError("Expected forecasts in [0, 1], and outcomes of 0 (did not happen) or 1 (happened).")
    return (said - happened) ** 2


def sample_crps(samples: ArrayLike, outcome: ArrayLike) -> Float[np.ndarray, " step"]:
    r"""The continuous ranked probability score of a forecast given as samples: $E|X - y| - E|X - X'| / 2$, at every step.

    `samples` `[sample, step]`, `outcome` `[step]`; in the unit of the outcome. The second mean is over pairs of different
    samples, so that few of them score as their distribution does on average; a score can then fall below 0. One sample
    scores its absolute error.

    **Raises:** `DataError` for empty or non-finite numbers, or another number of steps.

    **Source:** Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", section 4.2;
    without bias as Ferro, Richardson and Weigel (2008).
    """
    drawn, happened = finite_scores(samples, "samples", 2), finite_scores(outcome, "outcome", 1)
    if drawn.shape[1] != len(happened):
        raise DataError(f"Samples of {drawn.shape[1]} steps for {len(happened)} outcomes; give one outcome a step.")
    count = len(drawn)
    error = np.abs(drawn - happened).mean(axis=0)
    if count == 1:
        return error
    # Of sorted samples, Σ over pairs of |x_i - x_j| is Σ (2 i - n + 1) x_i for i from 0.
    weights = 2 * np.arange(count) - count + 1
    apart = weights @ np.sort(drawn, axis=0) / (count * (count - 1) / 2)
    return error - apart / 2
