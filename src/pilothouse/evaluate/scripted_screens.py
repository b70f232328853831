"""Balls that roll behind a screen, where there may be a wall: what can be seen, and what cannot happen.

A ball rolls along a line and up or down at a steady speed. Behind the screen, at 0, there is a wall in half of the
scenes, which turns the ball back. So both outcomes are possible, and what is seen afterwards says which it was. Impossible
outcomes are seen at the same time and place, or come from possible ones by an error no wall explains.
"""

import numpy as np
from jaxtyping import Float

STEPS = 12
"""Observations of a scene: two before the screen, eight behind it, two after."""


def rolled(
    start: Float[np.ndarray, "scenes 2"], speed: Float[np.ndarray, "scenes 2"], wall: np.ndarray
) -> Float[np.ndarray, "scenes steps 2"]:
    """Where balls are at each step; where there is a `wall` they come back from the line x = 0."""
    places = start[:, None] + np.arange(STEPS)[None, :, None] * speed[:, None]
    x = np.where(wall[:, None], -np.abs(places[..., 0]), places[..., 0])
    return np.stack([x, places[..., 1]], axis=2)


def scenes(count: int, draws: np.random.Generator, *, wall: bool | None = None) -> Float[np.ndarray, "scenes steps 2"]:
    """Possible scenes from the left: balls at x near -1, at 0.15 to 0.21 a step; with and without a wall unless told."""
    start = np.stack([draws.uniform(-1.1, -0.9, count), draws.uniform(-0.5, 0.5, count)], axis=1)
    speed = np.stack([draws.uniform(0.15, 0.21, count), draws.uniform(-0.04, 0.04, count)], axis=1)
    behind = draws.random(count) < 0.5 if wall is None else np.full(count, wall)
    return rolled(start, speed, behind)


def jumped(possible: Float[np.ndarray, "scenes steps 2"], draws: np.random.Generator) -> np.ndarray:
    """Impossible: the ball comes out 0.35 above or below where it went on to."""
    return _after(possible, np.array([0.0, 0.35]) * draws.choice([-1, 1], len(possible))[:, None])


def hurried(possible: Float[np.ndarray, "scenes steps 2"], draws: np.random.Generator) -> np.ndarray:
    """Impossible: the ball comes out 0.35 further on, or further back, than its speed allows."""
    return _after(possible, np.array([0.35, 0.0]) * draws.choice([-1, 1], len(possible))[:, None])


def _after(possible: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The scene with what is seen after the screen moved; what is behind it nobody sees."""
    found = possible.copy()
    found[:, -2:] += shift[:, None]
    return found
