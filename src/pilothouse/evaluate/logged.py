"""`Logged`: recorded episodes with the propensities of who acted and of whom we ask about.

What every off-policy estimator here takes. Episodes have any length, and there is no fixed horizon: a step is
discounted by its time within its own episode. An episode that was cut off counts for what it earned until then.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.data.dataset import Dataset
from pilothouse.statistics.interval import Interval
from pilothouse.statistics.paired import mean_interval

Rows = Float[np.ndarray, " row"]
Episodes = Float[np.ndarray, " episode"]


@dataclass(frozen=True, eq=False)
class Logged:
    """Logged steps as flat arrays, float64; make it with `of` or `of_arrays`, which check.

    - `reward`, `terminated`: `[row]`; rows of an episode are neighbours, in order; `starts`, `lengths`: `[episode]`.
    - `behaviour`, `target`: `[row]`, the probability (or density) of the logged action under who acted and under the
      policy in question; None where not known. Estimators that need them say so.
    - `discount`: of the returns that are asked for, in [0, 1].
    """

    reward: Rows
    terminated: Bool[np.ndarray, " row"]
    starts: Int[np.ndarray, " episode"]
    lengths: Int[np.ndarray, " episode"]
    behaviour: Rows | None
    target: Rows | None
    discount: float

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        *,
        behaviour: ArrayLike | None = None,
        target: ArrayLike | None = None,
        discount: float = 1.0,
        density: bool = False,
    ) -> Self:
        """The rewards and episodes of a dataset, with propensities by row. Raises as `of_arrays`."""
        dataset.require("an estimate from logs", "reward")
        return cls.of_arrays(
            dataset.reward,
            dataset.episode_id,
            terminated=dataset.terminated,
            behaviour=behaviour,
            target=target,
            discount=discount,
            density=density,
        )

    @classmethod
    def of_arrays(
        cls,
        reward: ArrayLike,
        episode_id: ArrayLike,
        *,
        terminated: ArrayLike | None = None,
        time: ArrayLike | None = None,
        behaviour: ArrayLike | None = None,
        target: ArrayLike | None = None,
        discount: float = 1.0,
        density: bool = False,
    ) -> Self:
        """Checked arrays of rows.

        **Arguments:** `episode_id`: equal for the rows of one episode, which stand together; `terminated`: by default
        the last row of each; `time`: where the log has it, 0, 1, … within each episode; `density`: the propensities
        are densities of real actions, which may exceed 1.

        **Raises:** `DataError` for no rows, unequal lengths, numbers that are not finite, shuffled steps, propensities
        out of range; `SettingError` for a discount outside [0, 1].
        """
        if not 0 <= discount <= 1:
            raise SettingError(f"discount={discount}; expected a number from 0 to 1, such as 0.99.")
        rewards, ids = _finite("reward", reward), np.asarray(episode_id).reshape(-1)
        rows = len(rewards)
        if not rows or len(ids) != rows:
            raise DataError(f"{rows} rewards and {len(ids)} episode ids were given; expected equally many, at least 1.")
        starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        if len(np.unique(ids)) != len(starts):
            raise DataError("Rows of an episode do not stand together; sort the log by episode, then by time.")
        lengths = np.diff(np.append(starts, rows))
        last = starts + lengths - 1
        over = np.zeros(rows, bool)
        over[last] = True
        ended = over if terminated is None else np.asarray(terminated, bool).reshape(-1)
        if len(ended) != rows:
            raise DataError(f"`terminated` has {len(ended)} rows and `reward` {rows}; give one for each.")
        made = cls(
            rewards,
            ended,
            starts,
            lengths,
            _propensities("behaviour", behaviour, rows, density, positive=True),
            _propensities("target", target, rows, density, positive=False),
            float(discount),
        )
        if (ended & ~over).any():
            row = int(np.flatnonzero(ended & ~over)[0])
            raise DataError(f"Row {row} terminates in the midst of its episode: steps are shuffled; sort them by time.")
        if time is not None:
            _check_time(np.asarray(time).reshape(-1), made.time)
        return made

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.reward)

    @property
    def episodes(self) -> int:
        return len(self.starts)

    @property
    def last(self) -> Int[np.ndarray, " episode"]:
        """The last row of each episode."""
        return self.starts + self.lengths - 1

    @cached_property
    def episode(self) -> Int[np.ndarray, " row"]:
        """Which episode each row belongs to."""
        return np.repeat(np.arange(self.episodes), self.lengths)

    @cached_property
    def time(self) -> Int[np.ndarray, " row"]:
        """How many steps of its episode came before each row."""
        return np.arange(len(self)) - np.repeat(self.starts, self.lengths)

    @cached_property
    def fade(self) -> Rows:
        """The discount to the power of the time."""
        return self.discount ** self.time.astype(np.float64)

    @cached_property
    def returns(self) -> Episodes:
        """The discounted return of each episode."""
        return self.discounted(self.reward)

    @cached_property
    def ratio(self) -> Rows:
        """target / behaviour of each row. Raises `DataError` where either is not known."""
        if self.behaviour is None or self.target is None:
            lacks = "behaviour" if self.behaviour is None else "target"
            raise DataError(
                f"The log holds no {lacks} propensities, which this estimator needs; give `{lacks}`, estimate it with "
                "`counted_propensities`, or use `direct_method` or `mql`, which need none."
            )
        return self.target / self.behaviour

    @cached_property
    def weight(self) -> Rows:
        """The product of the ratios of an episode up to and with each row.

        Raises `DataError` where it overflows, and as `ratio`.
        """
        ratio, product = self.ratio, np.empty(len(self))
        present = np.ones(self.episodes)
        order = np.argsort(-self.lengths, kind="stable")
        with np.errstate(over="ignore"):
            for time in range(int(self.lengths.max())):
                order = order[self.lengths[order] > time]
                rows = self.starts[order] + time
                present[order] *= ratio[rows]
                product[rows] = present[order]
        if not np.isfinite(product).all():
            row = int(np.flatnonzero(~np.isfinite(product))[0])
            raise DataError(
                f"The importance weight overflows at row {row} (step {self.time[row]} of its episode); use a marginal "
                "estimator or a shorter episode."
            )
        return product

    def discounted(self, rows: Rows) -> Episodes:
        """The discounted sum of `rows` over each episode."""
        return np.add.reduceat(self.fade * rows, self.starts)

    def following(self, value: Rows, after: Episodes | None) -> Rows:
        """`value` of the state after each row: 0 where it terminated, `after` (0 if not given) where it was cut."""
        onward = np.append(value[1:], 0.0)
        onward[self.last] = 0.0 if after is None else np.where(self.terminated[self.last], 0.0, after)
        return onward


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimated value, and `terms` `[episode]` whose mean it is and whose spread says how sure it is.

    For ratios of sums the terms are the linear ones (the value plus each episode's influence on it).
    """

    value: float
    terms: Episodes = field(repr=False)

    @classmethod
    def mean_of(cls, terms: Episodes) -> Self:
        return cls(float(terms.mean()), terms)

    def interval(self, *, level: float = 0.95) -> Interval:
        """Student's t interval over the episodes' terms; unknown (infinite ends) for one episode.

        Asymptotic: weights with a heavy tail make it too narrow. `statistics.lower_bounds` holds what is safe.
        """
        return mean_interval(self.terms, level=level)


def effective_episodes(logged: Logged) -> float:
    r"""Kish's effective number of episodes, $(\sum w)^2 / \sum w^2$ of whole-episode weights: few say "do not trust"."""
    weights = logged.weight[logged.last]
    return float(weights.sum() ** 2 / max((weights**2).sum(), np.finfo(float).tiny))


def counted_propensities(obs: ArrayLike, action: ArrayLike, *, weight: ArrayLike | None = None) -> Rows:
    """The share of the logged action among the actions logged at that observation, for choices on both sides.

    Using these in place of the known propensities removes the noise of the actions drawn: an estimator becomes more
    precise, at the price of a bias that vanishes with more data.

    **Arguments:** all `[row]`; `obs`, `action`: whole numbers from 0; `weight`: by default 1 each.

    **Source:** Hanna, Niekum and Stone, "Importance sampling policy evaluation with an estimated behavior policy",
    arXiv:1806.01347.
    """
    places, choices = np.asarray(obs, np.int64).reshape(-1), np.asarray(action, np.int64).reshape(-1)
    if len(places) != len(choices) or not len(places) or places.min() < 0 or choices.min() < 0:
        raise DataError(
            f"{len(places)} observations and {len(choices)} actions; expected equally many, counted from 0."
        )
    counts = np.zeros((places.max() + 1, choices.max() + 1))
    np.add.at(counts, (places, choices), 1.0 if weight is None else np.asarray(weight, np.float64))
    return counts[places, choices] / counts.sum(1)[places]


def _finite(name: str, values: ArrayLike) -> Rows:
    array = np.asarray(values, np.float64).reshape(-1)
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise DataError(f"`{name}` is {array[row]} at row {row}; expected finite numbers: leave that episode out.")
    return array


def _propensities(name: str, values: ArrayLike | None, rows: int, density: bool, *, positive: bool) -> Rows | None:
    if values is None:
        return None
    array = _finite(name, values)
    if len(array) != rows:
        raise DataError(f"`{name}` has {len(array)} rows and the log {rows}; give one propensity for each row.")
    wrong = (array <= 0 if positive else array < 0) | (False if density else array > 1 + 1e-6)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        least, most = "above 0" if positive else "from 0", "" if density else " and at most 1"
        more = "" if density or array[row] <= 1 else " (for densities of real actions pass density=True)"
        raise DataError(f"`{name}` is {array[row]:g} at row {row}; expected propensities {least}{most}{more}.")
    return array


def _check_time(given: np.ndarray, expected: np.ndarray) -> None:
    if len(given) != len(expected):
        raise DataError(f"`time` has {len(given)} rows and the log {len(expected)}; give one for each.")
    if (given != expected).any():
        row = int(np.flatnonzero(given != expected)[0])
        raise DataError(
            f"Row {row} has time {given[row]}, expected {expected[row]}: steps are shuffled or missing; sort the log by "
            "episode, then by time."
        )
