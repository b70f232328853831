"""The whole distribution of the target policy's return, from logged episodes: how bad is a bad day?

Each logged return carries the weight of its episode; the weighted distribution function gives mean, variance,
quantiles and CVaR at once.

Source: Chandak et al., "Universal off-policy evaluation", arXiv:2104.12820; Huang et al., "Off-policy risk assessment
in contextual bandits", arXiv:2104.08977.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.importance import some_weight
from pilothouse.evaluate.logged import Logged
from pilothouse.statistics.bootstrap import percentile_interval
from pilothouse.statistics.interval import Interval, check_level, check_resamples

Points = Float[np.ndarray, "*batch point"]
Numbers = Float[np.ndarray, "*batch"] | float
"""One for each distribution, or a single number (NumPy's float is a float)."""


@dataclass(frozen=True, eq=False)
class ReturnDistribution:
    """Returns in rising order, `[point]`, and the probability of at most each, `[… point]`, ending at 1."""

    points: Float[np.ndarray, " point"]
    cumulative: Points

    @classmethod
    def of(cls, logged: Logged, *, normalised: bool = True) -> Self:
        """Weighted by whole-episode importance; `normalised` divides by the total weight.

        Otherwise by the number of episodes: the function is cut at 1, and what it lacks of 1 lies on the highest
        return. Raises `DataError` for a log without propensities, or weights that are all 0.
        """
        order = np.argsort(logged.returns, kind="stable")
        return cls(logged.returns[order], _cumulative(logged.weight[logged.last][order], normalised))

    @property
    def mass(self) -> Points:
        return np.diff(self.cumulative, axis=-1, prepend=0.0)

    def mean(self) -> Numbers:
        return self.mass @ self.points

    def variance(self) -> Numbers:
        return np.maximum(self.mass @ self.points**2 - self.mean() ** 2, 0.0)

    def at_most(self, value: float) -> Numbers:
        """The probability of a return of at most `value`."""
        count = int(np.searchsorted(self.points, value, side="right"))
        return self.cumulative[..., count - 1] if count else np.zeros(self.cumulative.shape[:-1])

    def quantile(self, share: float) -> Numbers:
        """The least return that at least `share` of episodes do not exceed; `share` in (0, 1]."""
        _check_share(share)
        return self.points[np.argmax(self.cumulative >= share - 1e-12, axis=-1)]

    def cvar(self, share: float) -> Numbers:
        """The mean return of the worst `share` of episodes, a point on the border counted in part; `share` in (0, 1]."""
        _check_share(share)
        within = np.minimum(self.cumulative, share)
        return np.diff(within, axis=-1, prepend=0.0) @ self.points / share


def bootstrapped_interval(
    logged: Logged,
    statistic: Callable[[ReturnDistribution], Numbers],
    *,
    normalised: bool = True,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic of the distribution, such as `lambda d: d.cvar(0.1)`, over episodes."""
    check_level(level)
    check_resamples(resamples)
    order = np.argsort(logged.returns, kind="stable")
    count = logged.episodes
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights = draws * logged.weight[logged.last][order]
    weights = weights[weights.sum(1) > 0] if normalised else weights  # a resample of nothing but zeros says nothing
    many = ReturnDistribution(logged.returns[order], _cumulative(weights, normalised))
    return percentile_interval(np.asarray(statistic(many)), level)


def _cumulative(weights: Points, normalised: bool) -> Points:
    total = some_weight(weights.sum(-1, keepdims=True)) if normalised else weights.shape[-1]
    cumulative = np.minimum(np.cumsum(weights, axis=-1) / total, 1.0)
    cumulative[..., -1] = 1.0
    return cumulative


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise SettingError(f"A share of {share!r} was asked for; expected a number above 0 and at most 1, such as 0.1.")
