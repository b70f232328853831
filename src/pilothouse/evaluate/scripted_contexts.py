"""Series with a sentence without which their future cannot be told: a bound, an event, a cause, a fault of the record."""

import numpy as np

from pilothouse.evaluate.contextual_forecasts import Bounds, ForecastTask

PAST, STEPS = 40, 12
KINDS = ("bound", "event", "cause", "fault")


def scripted_contexts(tasks: int, generator: np.random.Generator) -> list[ForecastTask]:
    """Kinds in turn. Every series is a rising line with noise; its sentence says what becomes of it."""
    return [_task(KINDS[number % len(KINDS)], generator) for number in range(tasks)]


def _task(kind: str, generator: np.random.Generator) -> ForecastTask:
    slope, level = generator.uniform(0.05, 0.3), generator.uniform(10, 20)
    series = level + slope * np.arange(PAST + STEPS) + 0.5 * generator.normal(size=PAST + STEPS)
    history, future = series[:PAST], series[PAST:]
    region, bounds = np.zeros(STEPS, bool), Bounds()
    if kind == "bound":
        high = round(float(level + slope * PAST + 0.5), 1)
        context = f"The pump delivers what is asked of it, never above {high}."
        # The record stays below it too, and all but touches it where the forecast begins.
        history, future, bounds = np.minimum(history, high), np.minimum(future, high), Bounds(high=high)
    elif kind == "event":
        first = int(generator.integers(1, STEPS - 3))
        context = f"The meter is switched off and reads 0.0 from step {first + 1} to step {first + 3} of the forecast."
        region[first : first + 3], future = True, future.copy()
        future[region] = 0.0
    elif kind == "cause":
        places, times = np.sort(generator.choice(STEPS, 3, replace=False)), round(float(generator.uniform(1.5, 3)), 1)
        named = ", ".join(str(place + 1) for place in places)
        context = f"Rain drives the load: at steps {named} of the forecast it is {times} times what it would be."
        region[places], future = True, future.copy()
        future[region] *= times
    else:
        context = f"The sensor was faulty from step {PAST - 9} to step {PAST} of the record."
        history = history.copy()
        history[-10:] -= generator.uniform(5, 10)
    return ForecastTask(history, context, future, region, bounds, kind)
