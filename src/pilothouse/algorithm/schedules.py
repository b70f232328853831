"""How learning rates change over a run: a factor from the clock, for every optimiser of an algorithm alike."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from pilothouse.core.aliases import Scalar
from pilothouse.core.errors import unknown

Schedule = Callable[[Mapping[str, Any]], Scalar]
"""From the clock (`progress` goes from 0 to 1 over the run) to what every update is multiplied by."""


def linear(clock: Mapping[str, Any]) -> Scalar:
    """From 1 to 0 in a straight line."""
    return 1.0 - clock["progress"]


def cosine(clock: Mapping[str, Any]) -> Scalar:
    r"""From 1 to 0 by half a cosine: $(1 + \cos \pi p) / 2$.

    **Source:** Loshchilov and Hutter, arXiv:1608.03983, equation 5, without restarts.
    """
    return 0.5 * (1.0 + jnp.cos(jnp.pi * clock["progress"]))


SCHEDULES: dict[str, Schedule | None] = {"constant": None, "linear": linear, "cosine": cosine}


def schedule_named(name: str) -> Schedule | None:
    """A schedule by name; None is the constant one. Raises `UnknownNameError` with the nearest name."""
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    return SCHEDULES[name]
