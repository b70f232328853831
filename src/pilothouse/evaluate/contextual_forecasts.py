"""Forecasts of series whose words say what their numbers do not: tasks, forecasters, and the score that asks for both."""

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.proper_scores import sample_crps

PENALTY, CAP = 10.0, 5.0
"""What a broken constraint counts, and the most that a forecast can score: of the paper's."""


NUMBER = r"-?\d+(?:\.\d+)?"


class Bounds(NamedTuple):
    """What the words rule out: values below `low` or above `high`."""

    low: float = -math.inf
    high: float = math.inf

    def broken(self, samples: Float[np.ndarray, "sample step"]) -> Float[np.ndarray, " sample"]:
        """By how much each sample breaks them, its steps on average, in the series' unit."""
        return (np.maximum(self.low - samples, 0) + np.maximum(samples - self.high, 0)).mean(axis=1)


UNBOUNDED = Bounds()


class ForecastTask(NamedTuple):
    """A `history`, what the words say of it (`context`), and the `future` that came.

    `region` marks the steps that the words are about, `[step]`; none, where they are about all of them. `kind` of context.
    """

    history: Float[np.ndarray, " past"]
    context: str
    future: Float[np.ndarray, " step"]
    region: Bool[np.ndarray, " step"]
    bounds: Bounds = UNBOUNDED
    kind: str = "context"


SampleForecaster = Callable[[np.ndarray, str, int, int, np.random.Generator], np.ndarray]
"""`forecaster(history, context, steps, samples, generator) -> [sample, step]`."""


def region_of_interest_crps(
    samples: ArrayLike,
    future: ArrayLike,
    region: ArrayLike,
    bounds: Bounds = UNBOUNDED,
    *,
    scale: float = 1.0,
    penalty: float = PENALTY,
) -> float:
    r"""RCRPS: half of the score for the steps that the words are about, half for the others, and a penalty for what they
    rule out. 0 is best.

    `samples` `[sample, step]`, `future` `[step]`, `region` `[step]`, true where the words are about a step.

    $\alpha \left[ \tfrac12 \overline{\mathrm{CRPS}}_I + \tfrac12 \overline{\mathrm{CRPS}}_{\neg I} + \beta\,
    \mathrm{CRPS}(v, 0) \right]$, v being by how much each sample breaks the bounds. Where the region is empty, or the
    whole, steps count alike. α is 1 / `scale`.

    **Raises:** `DataError` for numbers that are not finite, or shapes that do not fit.

    **Source:** Williams, Ashok et al., arXiv:2410.18959, and the authors' code.
    """
    steps = sample_crps(samples, future)
    inside = np.asarray(region, bool)
    if inside.shape != steps.shape:
        raise DataError(f"A region of shape {inside.shape} for {len(steps)} steps; give one truth value a step.")
    whole = inside.all() or not inside.any()
    error = steps.mean() if whole else (steps[inside].mean() + steps[~inside].mean()) / 2
    broken = sample_crps(bounds.broken(np.asarray(samples, np.float64))[:, None], np.zeros(1))[0]
    return float(error + penalty * broken) / scale


def scored(
    forecaster: SampleForecaster, task: ForecastTask, *, samples: int, generator: np.random.Generator
) -> tuple[float, float]:
    """The capped RCRPS of its forecast, scaled by the range of the whole series, and the share of samples that break a bound.

    Raises `SettingError` for a forecast of another shape, or with numbers that are not finite.
    """
    steps = len(task.future)
    drawn = np.asarray(forecaster(task.history.copy(), task.context, steps, samples, generator), np.float64)
    if drawn.shape != (samples, steps) or not np.isfinite(drawn).all():
        raise SettingError(
            f"A forecast of shape {drawn.shape}; expected ({samples}, {steps}), samples of every step, finite."
        )
    scale = float(np.ptp(np.concatenate([task.history, task.future]))) or 1.0
    score = region_of_interest_crps(drawn, task.future, task.region, task.bounds, scale=scale)
    return min(score, CAP), float((task.bounds.broken(drawn) > 0).mean())


def line_forecast(
    history: np.ndarray, context: str, steps: int, samples: int, generator: np.random.Generator
) -> Float[np.ndarray, "sample step"]:
    """A line through the history, its residuals drawn again about it. Reads no words."""
    del context
    return _line(np.arange(len(history)), history, len(history), steps, samples, generator)


def reading_forecast(
    history: np.ndarray, context: str, steps: int, samples: int, generator: np.random.Generator
) -> Float[np.ndarray, "sample step"]:
    """The same line, and what the words say: steps of the record to leave out, bounds, steps at which something happens.

    It reads the sentences of `scripted_contexts` only, and stands for whatever reads.
    """
    kept = np.ones(len(history), bool)
    if found := re.search(r"faulty from step (\d+) to step (\d+) of the record", context):
        kept[int(found[1]) - 1 : int(found[2])] = False
    drawn = _line(np.flatnonzero(kept), history[kept], len(history), steps, samples, generator)
    if found := re.search(rf"at steps ([\d, ]+) of the forecast it is ({NUMBER}) times", context):
        places = [place for one in found[1].split(",") if 0 <= (place := int(one) - 1) < steps]
        drawn[:, places] *= float(found[2])
    if found := re.search(rf"reads ({NUMBER}) from step (\d+) to step (\d+) of the forecast", context):
        drawn[:, int(found[2]) - 1 : int(found[3])] = float(found[1])
    if found := re.search(rf"never above ({NUMBER})", context):
        drawn = np.minimum(drawn, float(found[1]))
    return drawn


def _line(
    places: np.ndarray, values: np.ndarray, past: int, steps: int, samples: int, generator: np.random.Generator
) -> np.ndarray:
    slope, level = np.polyfit(places, values, 1)
    residual = values - slope * places - level
    return slope * np.arange(past, past + steps) + level + generator.choice(residual, (samples, steps))


def mean_scores(results: Sequence[tuple[str, float, float]]) -> dict[str, float]:
    """Of `(kind, score, share broken)`: `rcrps` and `broken` over all tasks, and `rcrps/<kind>`."""
    kinds, score = np.array([kind for kind, _, _ in results]), np.array([one for _, one, _ in results])
    found = {"rcrps": float(score.mean()), "broken": float(np.mean([one for _, _, one in results]))}
    return found | {f"rcrps/{kind}": float(score[kinds == kind].mean()) for kind in np.unique(kinds)}
