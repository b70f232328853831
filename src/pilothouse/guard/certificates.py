r"""What a policy smoothed by Gaussian noise is certain to keep, whatever an adversary does within its budget.

The adversary adds to each observation before the policy's own noise of deviation $\sigma$; it may know the state, the
policy and everything that happened, the noise of earlier steps included. What it adds over a whole episode has an
Euclidean norm of at most the budget.
"""

import math
from collections.abc import Callable

import numpy as np
import scipy.special
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.lower_bounds import clopper_pearson_lower, dkw_margin


def probability_kept(
    probability: float | ArrayLike, *, budget: float | ArrayLike, sigma: float
) -> Float[np.ndarray, "..."]:
    r"""The least that an event of this probability can fall to: $\Phi(\Phi^{-1}(p) - B/\sigma)$.

    Whatever the event (a return of at least so much, a goal reached), and however the adversary adapts.

    **Raises:** `SettingError` unless $\sigma$ > 0 and the budget is not negative.

    **Source:** Kumar, Levine and Feizi, arXiv:2106.11420, by their adaptive Neyman-Pearson lemma.
    """
    size = np.asarray(budget, np.float64)
    if not (math.isfinite(sigma) and sigma > 0) or not (size >= 0).all():
        raise SettingError(f"sigma={sigma!r}, budget={budget!r}; expected sigma above 0 and budgets of at least 0.")
    return np.asarray(scipy.special.ndtr(scipy.special.ndtri(np.asarray(probability, np.float64)) - size / sigma))


def certified_probability(
    successes: int, trials: int, *, budget: float | ArrayLike, sigma: float, confidence: float = 0.999
) -> Float[np.ndarray, "..."]:
    """A lower bound of the chance of success under attack, from trials without one; it fails with chance 1 - confidence."""
    return probability_kept(clopper_pearson_lower(successes, trials, level=confidence), budget=budget, sigma=sigma)


def certified_mean(
    returns: ArrayLike, *, budget: float | ArrayLike, sigma: float, lowest: float = 0.0, confidence: float = 0.999
) -> Float[np.ndarray, "..."]:
    r"""A lower bound of the mean return under attack, from independent episodes without one.

    $E[R] = a + \int_a P(R \ge t)\,dt$, with `lowest` as $a$; each probability is bounded from the sample, all at once, by
    the Dvoretzky-Kiefer-Wolfowitz inequality, then shifted by `probability_kept`.

    **Arguments:** `returns`: `[episode]`, undiscounted or not; `lowest`: what no return can be below; `budget`: one or
    several. **Returns:** one bound a budget, in return units; all of them hold at once with chance `confidence`.

    **Raises:** `DataError` for no returns, or one below `lowest`.

    **Source:** Kumar, Levine and Feizi, arXiv:2106.11420; the bound from a sample is that of Kumar et al.,
    arXiv:2009.08061.
    """
    values = np.sort(np.asarray(returns, np.float64).reshape(-1))
    if not len(values) or not np.isfinite(values).all() or values[0] < lowest:
        low = values[0] if len(values) else "nothing"
        raise DataError(f"The returns begin at {low}; expected at least one, finite, and none below lowest={lowest:g}.")
    steps, first = np.unique(values, return_index=True)
    at_least = 1.0 - first / len(values)  # the share of episodes that reach each step
    sure = np.clip(at_least - dkw_margin(len(values), level=confidence), 0.0, 1.0)
    kept = probability_kept(sure, budget=np.asarray(budget, np.float64)[..., None], sigma=sigma)
    return np.asarray(lowest + (np.diff(steps, prepend=lowest) * kept).sum(axis=-1))


def action_radius(votes: int, draws: int, *, sigma: float, confidence: float = 0.999) -> float:
    r"""How far one observation may be moved before the action that won the vote could lose: $\sigma\Phi^{-1}(p)$.

    0 when its share is not certainly above one half. **Source:** Cohen et al., arXiv:1902.02918, equation 3, with
    the runner-up's share bounded by 1 - p.
    """
    share = clopper_pearson_lower(votes, draws, level=confidence)
    return float(sigma * scipy.special.ndtri(share)) if share > 0.5 else 0.0


def certified_steps(
    votes: ArrayLike, valid: ArrayLike, radius: Callable[[int], float], *, budget: float
) -> Float[np.ndarray, " episode"]:
    """How many steps an episode of `Voted` keeps for certain: those before the first whose action could be turned.

    `votes`, `valid`: `[step, episode]`. An adversary may spend its whole budget at one step, so each step's action must
    hold against all of it; after the first that may not, nothing is known.
    """
    counts = np.asarray(votes)
    reach = np.vectorize(radius, otypes=[float])(np.unique(counts))
    holds = reach[np.searchsorted(np.unique(counts), counts)] >= budget
    return np.cumprod(holds & np.asarray(valid, bool), axis=0).sum(axis=0).astype(np.float64)
