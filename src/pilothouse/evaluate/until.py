"""Evaluations that stop: episodes are run until they have shown what they must, or a budget is spent.

Looking at an ordinary interval after every batch and stopping at the first that suits errs far more often than its level
says. A `Goal` is held against a confidence sequence, which may be looked at all along: with bounds of the returns it
holds at every number of episodes; without them it is the asymptotic one, and says so.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import SettingError
from pilothouse.statistics import ConfidenceSequence, Interval, asymptotic_sequence, bounded_sequence
from pilothouse.statistics.interval import check_level, unknown_interval

Measure = Literal["return", "success"]
Verdict = Literal["shown", "contradicted", "not shown"]

_SENTENCE = re.compile(r"\s*(return|success)\s*([<>])\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class Goal:
    """What an evaluation must show of the mean, at a confidence `level`; at least one of the two.

    - `sign`, `value`: that it lies above (`>`) or below (`<`) a value.
    - `precision`: its value to within so much, on either side.
    - `bounds`: the lowest and highest that one episode can come to, or None where that is not known. Success is 0 or 1.
    """

    measure: Measure = "return"
    sign: str | None = None
    value: float | None = None
    precision: float | None = None
    bounds: tuple[float, float] | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        check_level(self.level)
        if self.value is None and self.precision is None:
            raise SettingError("Until what? Give a sentence, such as 'return > 200', or a precision.")
        if self.precision is not None and not self.precision > 0:
            raise SettingError(
                f"precision={self.precision:g}; expected a half-width above 0, in the unit of the return."
            )
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            low, high = self.bounds
            raise SettingError(f"bounds={low:g} {high:g}; expected the lowest possible return, then the highest.")

    def __str__(self) -> str:
        sentence = "" if self.value is None else f"{self.measure} {self.sign} {self.value:g}"
        within = "" if self.precision is None else f"{self.measure} to within {self.precision:g}"
        return " and ".join(filter(None, (sentence, within)))

    @property
    def range(self) -> tuple[float, float] | None:
        """What one episode can come to, where it is known."""
        return (0.0, 1.0) if self.measure == "success" else self.bounds

    @property
    def assumption(self) -> str:
        """What the verdict rests on."""
        if self.measure == "success":
            return "every episode succeeds or fails; holds at every number of episodes"
        if self.bounds is not None:
            low, high = self.bounds
            return f"every return lies from {low:g} to {high:g}, as given; holds at every number of episodes"
        return (
            "no bounds of the return were given: an asymptotic confidence sequence, whose level is approximate and "
            "which sees no rare extreme before it happens"
        )

    def values(self, returns: ArrayLike) -> Float[np.ndarray, " episode"]:
        """What is averaged, of each episode."""
        array = np.asarray(returns, np.float64)
        return (array > 0).astype(np.float64) if self.measure == "success" else array

    def sequence(self, returns: ArrayLike) -> ConfidenceSequence:
        """Intervals of the mean after each episode. Raises `DataError` for returns outside the bounds."""
        values = self.values(returns)
        if self.range is None:
            return asymptotic_sequence(values, level=self.level)
        low, high = self.range
        return bounded_sequence(values, low=low, high=high, level=self.level)

    def verdict(self, interval: Interval) -> Verdict | None:
        """What an interval of the sequence settles; None while more episodes are needed."""
        if self.precision is not None and not interval.half_width <= self.precision:
            return None
        if self.value is None:
            return "shown"
        above, below = interval.above(self.value), interval.below(self.value)
        if not (above or below):
            return None
        return "shown" if above == (self.sign == ">") else "contradicted"


def goal_of(
    until: str | None = None,
    *,
    precision: float | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Goal | None:
    """The goal of a sentence such as `return > 200` or `success > 0.9`, of a precision, or of both; None for neither.

    **Raises:** `SettingError` for another sentence, for numbers that cannot be, and for bounds that serve no goal.
    """
    if until is None and precision is None:
        if bounds is not None:
            raise SettingError("bounds were given and no goal; add until='return > 200' or a precision.")
        return None
    if until is None:
        return Goal(precision=precision, bounds=bounds, level=level)
    if not (parts := _SENTENCE.fullmatch(until)):
        raise SettingError(f"until={until!r}; expected 'return > 200', 'return < 0' or 'success > 0.9'.")
    measure, sign, value = parts.groups()
    if measure == "success" and bounds is not None:
        raise SettingError("bounds are of returns; success is 0 or 1 and needs none.")
    return Goal("success" if measure == "success" else "return", sign, float(value), precision, bounds, level)


@dataclass(frozen=True)
class Settled:
    """How an evaluation with a goal ended, after so many of at most `budget` episodes, with the mean in `interval`."""

    goal: Goal
    verdict: Verdict
    interval: Interval
    episodes: int
    budget: int

    def __str__(self) -> str:
        return f"{self.goal}: {self.verdict} after {self.episodes} of at most {self.budget} episodes ({self.goal.assumption})"

    def of_returns(self, returns: Float[np.ndarray, " episode"]) -> Interval:
        """The interval of the mean return: this one, unless the goal was success and returns are more than that."""
        return self.interval if (self.goal.values(returns) == returns).all() else unknown_interval(self.goal.level)

    def as_json(self) -> dict[str, Any]:
        return {
            "goal": str(self.goal),
            "verdict": self.verdict,
            "budget": self.budget,
            "level": self.goal.level,
            "interval": self.interval.to_json(),
            "method": "asymptotic" if self.goal.range is None else "betting",
            "assumption": self.goal.assumption,
        }
