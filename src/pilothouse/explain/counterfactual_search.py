"""The nearest observation at which a policy acts otherwise: by asking it, by its gradient, and with few features moved.

Distances are in units of a scale for each feature, such as its standard deviation over what the policy meets.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from pilothouse.core.spaces import Box, Space
from pilothouse.explain.gradients import Function
from pilothouse.explain.readable import labels_of
from pilothouse.rollout.actors import Responses

SLACK = 1.5
"""How many times as far as the nearest a counterfactual of fewer features may lie."""

MARGIN = 1e-3
"""How far beyond the boundary a counterfactual lies, against its distance."""

RADII = tuple(0.05 * 1.5**turn for turn in range(16))
"""Spheres that are searched, in standard deviations: from 0.05 to about 22."""

ZOOM = (0.3, 0.1, 0.05, 0.03, 0.02, 0.02)
"""Sizes of the balls, against the distance found so far, in which the boundary's direction is felt for."""

Differs = Callable[[Float[np.ndarray, "rows outputs"]], Bool[np.ndarray, " rows"]]
"""Whether responses, row by row, are other than those at the observations to be explained."""


def otherwise(
    space: Space, response: Float[np.ndarray, "rows outputs"], margin: Float[np.ndarray, " outputs"] | None = None
) -> Differs:
    """What counts as acting otherwise: another choice, or an entry of the action that is `margin` away (for boxes)."""
    if isinstance(space, Box):
        by = np.asarray(margin if margin is not None else np.ones(response.shape[1]), np.float64)
        return lambda other: np.asarray((np.abs(other - response) >= by).any(axis=1))
    own = labels_of(space, response)
    return lambda other: np.asarray((labels_of(space, other) != own).any(axis=1))


class Found(NamedTuple):
    """`other` observations, each with its `distance` (infinite, and `other` the observation itself, if none was found)."""

    other: Float[np.ndarray, "rows features"]
    distance: Float[np.ndarray, " rows"]


class _Asked:
    """Asks, for points in units around every observation `(rows, points, features)`, which are acted on otherwise."""

    def __init__(self, respond: Responses, differs: Callable[[np.ndarray], Differs], scale: np.ndarray):
        self.respond, self.differs, self.scale = respond, differs, scale

    def __call__(self, points: Float[np.ndarray, "rows points features"], rows: np.ndarray) -> np.ndarray:
        m, n, d = points.shape
        said = self.respond((points * self.scale).reshape(m * n, d)).reshape(m, n, -1)
        differs = self.differs(rows)
        return np.stack([differs(said[:, i]) for i in range(n)], axis=1)


def nearest_otherwise(
    respond: Responses,
    space: Space,
    obs: Float[np.ndarray, "rows features"],
    data: Float[np.ndarray, "others features"],
    scale: Float[np.ndarray, " features"],
    *,
    margin: Float[np.ndarray, " outputs"] | None = None,
    movable: Bool[np.ndarray, " features"] | None = None,
    probes: int = 128,
    seed: int = 0,
) -> Found:
    """The nearest observation at which a policy that can only be asked acts otherwise, for each row of `obs`.

    Begins with the nearer of the nearest row of `data` that is acted on otherwise and a hit in growing spheres; moves
    along the boundary by feeling for its direction in ever smaller balls. What is returned was asked, so it is valid.
    `movable` features may change, the others stay.

    **Source:** growing spheres: Laugel et al., arXiv:1712.08443; the boundary's direction from signs: Chen, Jordan and
    Wainwright (HopSkipJump), arXiv:1904.02144.
    """
    rng = np.random.default_rng(seed)
    free = np.ones(obs.shape[1]) if movable is None else np.asarray(movable, np.float64)
    unit, response = np.asarray(obs, np.float64) / scale, respond(obs)
    ask = _Asked(respond, lambda rows: otherwise(space, response[rows], margin), scale)
    best = _from_data(respond, space, response, unit, np.asarray(data, np.float64) / scale, scale, margin, free)
    best = _nearer(unit, best, _spheres(ask, unit, free, rng, probes))
    rows = np.flatnonzero(np.isfinite(best).all(axis=1))
    if len(rows):
        best[rows] = _to_boundary(ask, unit[rows], best[rows], rows)
        for zoom in ZOOM:
            best[rows] = _along(ask, unit[rows], best[rows], rows, free, zoom, rng, probes)
    return _found(unit, best, scale, obs)


def _found(unit: np.ndarray, best: np.ndarray, scale: np.ndarray, obs: np.ndarray) -> Found:
    known = np.asarray(np.isfinite(best).all(axis=1))
    distance = np.where(known, np.linalg.norm(best - unit, axis=1), np.inf)
    # Where nothing moved, the very numbers of the observation.
    other = np.where(best == unit, obs, np.where(known[:, None], best, unit) * scale)
    return Found(other, distance)


def _nearer(unit: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    first, second = (np.nan_to_num(np.linalg.norm(x - unit, axis=1), nan=np.inf) for x in (one, other))
    return np.where((first <= second)[:, None], one, other)


def _from_data(
    respond: Responses,
    space: Space,
    response: np.ndarray,
    unit: np.ndarray,
    data: np.ndarray,
    scale: np.ndarray,
    margin: np.ndarray | None,
    free: np.ndarray,
) -> np.ndarray:
    """The nearest row of the data that is acted on otherwise, where it may be moved to; NaN where there is none."""
    said = respond(data * scale)
    found = np.full(unit.shape, np.nan)
    for row in range(len(unit)):
        reachable = np.abs((data - unit[row]) * (1 - free)).max(axis=1) < 1e-9
        differs = otherwise(space, np.broadcast_to(response[row], said.shape), margin)(said) & reachable
        if differs.any():
            apart = np.where(differs, np.linalg.norm(data - unit[row], axis=1), np.inf)
            found[row] = data[apart.argmin()]
    return found


def _directions(rng: np.random.Generator, rows: int, probes: int, free: np.ndarray) -> np.ndarray:
    drawn = rng.normal(size=(rows, probes, len(free))) * free
    return drawn / np.maximum(np.linalg.norm(drawn, axis=2, keepdims=True), 1e-12)


def _spheres(ask: _Asked, unit: np.ndarray, free: np.ndarray, rng: np.random.Generator, probes: int) -> np.ndarray:
    found, left = np.full(unit.shape, np.nan), np.arange(len(unit))
    for radius in RADII:
        points = unit[left][:, None] + radius * _directions(rng, len(left), probes, free)
        hits = ask(points, left)
        hit = hits.any(axis=1)
        found[left[hit]] = points[hit, hits[hit].argmax(axis=1)]
        left = left[~hit]
        if not len(left):
            break
    return found


def _to_boundary(ask: _Asked, unit: np.ndarray, beyond: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Back along the straight line to where the response turns: halved 24 times, the side of the other response kept, and
    a little beyond it."""
    low, high = np.zeros(len(unit)), np.ones(len(unit))
    for _ in range(24):
        middle = (low + high) / 2
        other = ask((unit + middle[:, None] * (beyond - unit))[:, None], rows)[:, 0]
        low, high = np.where(other, low, middle), np.where(other, middle, high)
    # A network may answer otherwise by a rounding when it is asked in a batch of another size.
    return unit + np.minimum(high * (1 + MARGIN), 1.0)[:, None] * (beyond - unit)


def _along(
    ask: _Asked,
    unit: np.ndarray,
    best: np.ndarray,
    rows: np.ndarray,
    free: np.ndarray,
    zoom: float,
    rng: np.random.Generator,
    probes: int,
) -> np.ndarray:
    """From a boundary point to the one that lies straight across, if the boundary goes on as it does nearby."""
    away = best - unit
    far = np.linalg.norm(away, axis=1)
    felt = _directions(rng, len(unit), probes, free)
    other = np.where(ask(best[:, None] + zoom * far[:, None, None] * felt, rows), 1.0, -1.0)
    normal = ((other - other.mean(axis=1, keepdims=True))[..., None] * felt).mean(axis=1)
    length = np.linalg.norm(normal, axis=1)
    normal = np.where((length > 1e-12)[:, None], normal / np.maximum(length, 1e-12)[:, None], away)
    across = np.maximum((away * normal).sum(axis=1), 1e-6)
    tries = unit[:, None] + across[:, None, None] * np.array([1.001, 1.02, 1.1, 1.3])[None, :, None] * normal[:, None]
    hits = ask(tries, rows)
    hit = hits.any(axis=1)
    moved = best.copy()
    moved[hit] = _to_boundary(ask, unit[hit], tries[hit, hits[hit].argmax(axis=1)], rows[hit])
    return _nearer(unit, best, moved)


def nearest_by_gradient(
    function: Function,
    space: Space,
    obs: Float[np.ndarray, "rows features"],
    scale: Float[np.ndarray, " features"],
    *,
    margin: Float[np.ndarray, " outputs"] | None = None,
    movable: Bool[np.ndarray, " features"] | None = None,
    steps: int = 30,
) -> Found:
    """The same for a traceable function of one flat observation: scores of choices, or entries of a box.

    For each other choice (or entry and side), steps to the point nearest to the observation on the boundary as its
    gradient here has it, a thousandth beyond; the nearest that is acted on otherwise counts. Exact for linear functions.
    Several choices at once are not for this search.

    **Source:** DeepFool, Moosavi-Dezfooli, Fawzi and Frossard, arXiv:1511.04599; each step is measured from the
    observation itself, where theirs adds up steps.
    """
    wide = jnp.asarray(scale, jnp.float32)
    free = jnp.ones(len(scale)) if movable is None else jnp.asarray(movable, jnp.float32)
    by = None if margin is None else jnp.asarray(margin, jnp.float32)
    box = isinstance(space, Box)

    def one(first: Any) -> Any:
        began = function(first * wide)
        own, outputs = jnp.argmax(began), began.shape[0]

        def search(which: Any, side: Any) -> Any:
            def gap(point: Any) -> Any:
                said = function(point * wide)
                if box:
                    return (jnp.ones(outputs) if by is None else by)[which] - side * (said[which] - began[which])
                return said[own] - said[which]

            def step(state: Any, _: Any) -> Any:
                point, nearest, far = state
                value, slope = jax.value_and_grad(gap)(point)
                slope = slope * free
                over = value + (slope * (first - point)).sum()  # the gap at the observation, were it linear
                point = first - 1.001 * over * slope / jnp.maximum((slope**2).sum(), 1e-12)
                away = jnp.linalg.norm(point - first)
                better = (gap(point) < 0) & (away < far) & jnp.isfinite(away)
                return (point, jnp.where(better, point, nearest), jnp.where(better, away, far)), None

            start = (first, first, jnp.array(jnp.inf))
            (_, nearest, far), _ = jax.lax.scan(step, start, length=steps)
            return nearest, jnp.where((which == own) & (not box), jnp.inf, far)

        which = jnp.tile(jnp.arange(outputs), 2 if box else 1)
        side = jnp.repeat(jnp.array([1.0, -1.0]), outputs) if box else jnp.ones(outputs)
        points, far = jax.vmap(search)(which, side)
        return points[far.argmin()], far.min()

    unit = np.asarray(obs, np.float64) / scale
    points, far = jax.jit(jax.vmap(one))(jnp.asarray(unit, jnp.float32))
    known = np.isfinite(np.asarray(far))
    best = np.where(known[:, None], np.asarray(points, np.float64), np.nan)
    return _found(unit, best, np.asarray(scale), obs)


def sparser(
    respond: Responses,
    space: Space,
    obs: Float[np.ndarray, "rows features"],
    found: Found,
    scale: Float[np.ndarray, " features"],
    *,
    margin: Float[np.ndarray, " outputs"] | None = None,
    slack: float = SLACK,
) -> Found:
    """The same counterfactuals with as few features moved as suffice, at most `slack` times as far.

    Greedy: the features that move most are kept, one, then two and so on, and their move lengthened up to the bound;
    the first that suffice are taken back to the boundary.
    """
    unit, response = np.asarray(obs, np.float64) / scale, respond(obs)
    ask = _Asked(respond, lambda rows: otherwise(space, response[rows], margin), scale)
    move = np.where(np.isfinite(found.distance)[:, None], found.other / scale - unit, 0.0)
    order = np.argsort(-np.abs(move), axis=1)
    best = np.where(np.isfinite(found.distance)[:, None], found.other / scale, np.nan)
    left = np.flatnonzero(np.isfinite(found.distance))
    for kept in range(1, obs.shape[1]):
        if not len(left):
            break
        mask = np.zeros((len(left), obs.shape[1]))
        np.put_along_axis(mask, order[left, :kept], 1.0, axis=1)
        few = move[left] * mask
        length = np.maximum(np.linalg.norm(few, axis=1), 1e-12)
        times = np.linspace(1.0, slack * found.distance[left] / length, 8, axis=1)
        tries = unit[left][:, None] + times[..., None] * few[:, None]
        hits = ask(tries, left)
        hit = hits.any(axis=1) & (length > 1e-9)
        rows = left[hit]
        if len(rows):
            best[rows] = _to_boundary(ask, unit[rows], tries[hit, hits[hit].argmax(axis=1)], rows)
        left = left[~hit]
    return _found(unit, best, np.asarray(scale), obs)
