"""How well estimates choose among policies: judged by what the chosen ones are truly worth.

`estimates` and `truths` are `[policy]`; the top k are those with the highest estimates, the first among equals first.

Source: Kiyohara et al., "Towards assessing and benchmarking risk-return tradeoff of off-policy evaluation",
arXiv:2311.18207, section 3; regret@k: Fu et al., "Benchmarks for deep off-policy evaluation", arXiv:2103.16596.
"""

import math

import numpy as np
import scipy.stats
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.interval import finite_scores


def top_k(estimates: ArrayLike, truths: ArrayLike, k: int) -> Float[np.ndarray, " k"]:
    """True values of the k policies with the highest estimates, best-estimated first.

    **Raises:** `DataError` for unequal lengths or numbers not finite; `SettingError` unless k is in 1 … policies.
    """
    guessed, true = _pair(estimates, truths)
    if not 1 <= k <= len(true):
        raise SettingError(f"k={k} of {len(true)} policies; expected a number from 1 to {len(true)}.")
    return true[np.argsort(-guessed, kind="stable")[:k]]


def regret_at_k(estimates: ArrayLike, truths: ArrayLike, k: int = 1) -> float:
    """How much the best policy of all is worth above the best of the chosen k; 0 is perfect."""
    return float(np.max(np.asarray(truths, np.float64)) - top_k(estimates, truths, k).max())


def sharpe_ratio_at_k(estimates: ArrayLike, truths: ArrayLike, k: int, *, baseline: float) -> float:
    """What the best of the chosen k is worth above `baseline` (the behaviour), over the spread of the k's values.

    What a trial of k policies promises, per unit of the risk of trying them; infinite (or 0) where all k are worth the
    same, k = 1 among them.
    """
    chosen = top_k(estimates, truths, k)
    gain, spread = float(chosen.max() - baseline), float(chosen.std())
    if spread == 0:
        return math.copysign(math.inf, gain) if gain else 0.0
    return gain / spread


def worst_at_k(estimates: ArrayLike, truths: ArrayLike, k: int) -> float:
    """The least of the chosen k's values: what a trial may cost."""
    return float(top_k(estimates, truths, k).min())


def rank_correlation(estimates: ArrayLike, truths: ArrayLike) -> float:
    """Spearman's, in [-1, 1]; 0 where all estimates, or all truths, are equal and so rank nothing."""
    guessed, true = _pair(estimates, truths)
    if np.ptp(guessed) == 0 or np.ptp(true) == 0:
        return 0.0
    return float(scipy.stats.spearmanr(guessed, true)[0])  # pyright: ignore


def error_rates(estimates: ArrayLike, truths: ArrayLike, *, threshold: float) -> tuple[float, float]:
    """Type I: the share of policies truly at least `threshold` that the estimates turn away. Type II: the share of
    those truly below it that they let through. NaN where there are no such policies."""
    guessed, true = _pair(estimates, truths)
    good = true >= threshold
    turned, passed = guessed[good] < threshold, guessed[~good] >= threshold
    return tuple(float(part.mean()) if len(part) else math.nan for part in (turned, passed))  # pyright: ignore


def _pair(estimates: ArrayLike, truths: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    guessed, true = finite_scores(estimates, "estimates", 1), finite_scores(truths, "truths", 1)
    if len(guessed) != len(true):
        raise DataError(f"{len(guessed)} estimates and {len(true)} truths were given; give one of each per policy.")
    return guessed, true
