"""Tuning under an online budget: what return would one have, who may try the trained policies for N episodes?

A bandit chooses among the trained policies of a method (settings times seeds): it tries one for an episode, again and
again, and at the end takes the policy with the highest mean return so far. That policy's return, as known from all of
its episodes, is the score of the trial. Trials are repeated on random subsets of the policies and random episodes, so
that the score says what tuning is worth at each number of episodes, and how much luck is in it.

Source: Jackson, Berdica, Liesen, Whiteson and Foerster, "A Clean Slate for Offline Reinforcement Learning",
arXiv:2504.11453: an upper-confidence-bound bandit of coefficient 2, trials on subsets of the policies.
Departures: 1. Returns enter the bound in the range of the pool, lowest 0 and highest 1, so that it means the same in every
unit; the authors feed it normalised scores. 2. The interval is of one trial, 95% of which end within it: what one user
can expect. The authors show that of the mean over trials, which shrinks with their number.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics import Interval
from pilothouse.statistics.bootstrap import percentile_interval


@dataclass(frozen=True)
class Tuned:
    """What tuning came to.

    - `scores`: `[trial, episodes]`, the return of the policy that was taken after so many episodes.
    - `taken`: `[trial]`, which policy was taken at the end of the budget, by place.
    """

    scores: Float[np.ndarray, "trial episodes"]
    taken: Int[np.ndarray, " trial"]

    @property
    def episodes(self) -> int:
        """The budget."""
        return self.scores.shape[1]

    @property
    def curve(self) -> Float[np.ndarray, " episodes"]:
        """Mean score after 1, 2, … episodes."""
        return self.scores.mean(axis=0)

    @property
    def score(self) -> float:
        """Mean score at the end of the budget."""
        return float(self.scores[:, -1].mean())

    def interval(self, level: float = 0.95) -> Interval:
        """Where a single trial ends, at the end of the budget."""
        return percentile_interval(self.scores[:, -1], level)


def tune_by_bandit(
    returns: Float[np.ndarray, "policy episode"],
    *,
    episodes: int,
    trials: int = 500,
    policies: int | None = None,
    coefficient: float = 2.0,
    seed: int = 0,
) -> Tuned:
    """Play the bandit `trials` times over the recorded returns of trained policies.

    **Arguments:**
    - `returns`: `[policy, episode]`, undiscounted; the pool that episodes are drawn from, with replacement.
    - `episodes`: the budget: how many episodes may be tried online.
    - `policies`: how many of the policies a trial has, drawn without replacement; all but one in five where not given.
    - `coefficient`: of the bound: a policy tried n times of t is worth its mean plus sqrt(coefficient ln t / n).

    **Raises:** `DataError` for a pool that is empty or not finite, `SettingError` for numbers out of range.
    """
    pool = np.asarray(returns, np.float64)
    if pool.ndim != 2 or not pool.size or not np.isfinite(pool).all():
        raise DataError(f"`returns` has shape {pool.shape}; expected finite returns [policy, episode].")
    count = policies or max(1, round(0.8 * len(pool)))
    if episodes < 1 or trials < 1 or not 1 <= count <= len(pool):
        raise SettingError(
            f"episodes={episodes}, trials={trials}, policies={count}; expected at least 1, and at most {len(pool)} policies."
        )
    generator = np.random.default_rng(seed)
    span = pool.max() - pool.min()
    scaled = (pool - pool.min()) / (span if span > 0 else 1.0)
    subsets = np.stack([generator.permutation(len(pool))[:count] for _ in range(trials)])
    trial, true = np.arange(trials), pool.mean(axis=1)
    tries, totals = np.zeros((trials, count)), np.zeros((trials, count))
    scores, taken = np.zeros((trials, episodes)), np.zeros(trials, np.int64)
    for step in range(episodes):
        arm = _highest(tries, totals, coefficient, step)
        drawn = generator.integers(pool.shape[1], size=trials)
        tries[trial, arm] += 1
        totals[trial, arm] += scaled[subsets[trial, arm], drawn]
        means = np.where(tries > 0, totals / np.maximum(tries, 1), -np.inf)
        taken = subsets[trial, means.argmax(axis=1)]
        scores[:, step] = true[taken]
    return Tuned(scores, taken)


def _highest(tries: np.ndarray, totals: np.ndarray, coefficient: float, step: int) -> np.ndarray:
    """The arm of the highest bound in each trial; arms that were never tried come first, in their order."""
    safe = np.maximum(tries, 1)
    bound = totals / safe + np.sqrt(coefficient * np.log(max(step, 1)) / safe)
    return np.where(tries > 0, bound, np.inf).argmax(axis=1)
