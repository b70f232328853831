"""Where an episode was lost: the step at which what a policy could still expect fell more than it usually does.

Values come from the policy, where it knows them, or are fitted to what its own episodes earned (`values_of_episodes`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError

WINDOW = 10
"""Steps over which a fall counts: a value that is fitted trembles from one step to the next."""

UNUSUAL = 4.0
"""Spreads below the usual change from which on a fall is called a collapse."""

NOTABLE = 0.1
"""Share of what is at stake (the range of the values, or their usual size) that a collapse takes at least."""


class Collapse(NamedTuple):
    """The fall that was found: it begins at `step`, and `fall` (above 0) is its size in units of the value."""

    step: int
    fall: float


class FittedValues(NamedTuple):
    """`values` at each row, and `explained`: the share of their spread that held-out episodes confirm (R², at most 1)."""

    values: Float[np.ndarray, " row"]
    explained: float


def rewards_to_come(
    reward: Float[np.ndarray, " row"], episode: Int[np.ndarray, " row"], *, discount: float
) -> Float[np.ndarray, " row"]:
    """The discounted sum of rewards from each row to the end of its episode; rows of an episode lie together."""
    reward, episode = np.asarray(reward, np.float64), np.asarray(episode)
    found, rest = np.empty(len(reward)), 0.0
    for row in range(len(reward) - 1, -1, -1):
        if row + 1 == len(reward) or episode[row + 1] != episode[row]:
            rest = 0.0
        rest = found[row] = reward[row] + discount * rest
    return found


def values_of_episodes(
    obs: Float[np.ndarray, "row feature"],
    reward: Float[np.ndarray, " row"],
    episode: Int[np.ndarray, " row"],
    *,
    discount: float = 0.99,
    folds: int = 4,
    seed: int = 0,
) -> FittedValues:
    """What a policy may expect from each observation, learned from its own episodes by a forest of random trees.

    Each episode's values are those of a model that has not seen it. An episode that its time limit cut counts as having
    ended there. Raises `DataError` with fewer than two episodes.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    target, names = rewards_to_come(reward, episode, discount=discount), np.unique(episode)
    if len(names) < 2:
        raise DataError(f"{len(names)} episode; expected at least 2, to learn values from one and test on the other.")
    parts = np.array_split(np.random.default_rng(seed).permutation(names), min(folds, len(names)))
    values = np.empty(len(target))
    for part in parts:
        held_out = np.isin(episode, part)
        model = ExtraTreesRegressor(n_estimators=40, min_samples_leaf=5, random_state=seed)
        values[held_out] = model.fit(obs[~held_out], target[~held_out]).predict(obs[held_out])
    spread = float(np.var(target))
    explained = 1.0 - float(np.mean((values - target) ** 2)) / spread if spread > 0 else 0.0
    return FittedValues(values, explained)


def changes(values: Float[np.ndarray, " step"], window: int = WINDOW) -> Float[np.ndarray, " change"]:
    """The change of the value over `window` steps (over the whole episode, where that is shorter), from each step."""
    values = np.asarray(values, np.float64)
    reach = max(min(window, len(values) - 1), 0)
    return values[reach:] - values[: len(values) - reach] if reach else np.zeros(0)


def value_collapses(
    episodes: Sequence[Float[np.ndarray, " _"]], *, window: int = WINDOW, unusual: float = UNUSUAL
) -> list[Collapse | None]:
    """For each episode its largest fall of value, or None where it has none that is unusual among all of them.

    Unusual: more than `unusual` robust spreads (1.48 median absolute deviations) below the median change over `window`
    steps of all episodes, and at least `NOTABLE` of the range of all values and of their usual size: where nothing ever
    changes, trembling is no collapse. The step is that from which the fall is steepest.
    """
    every = [changes(values, window) for values in episodes]
    pooled = np.concatenate([np.zeros(0), *every])
    if not len(pooled):
        return [None] * len(every)
    middle = float(np.median(pooled))
    spread = 1.4826 * float(np.median(np.abs(pooled - middle)))
    values = np.concatenate([np.asarray(one, np.float64) for one in episodes])
    notable = NOTABLE * max(float(np.ptp(values)), float(np.median(np.abs(values))))
    limit = min(middle - max(unusual * spread, notable), -notable)
    found: list[Collapse | None] = []
    for mine in every:
        if not len(mine) or mine.min() >= min(limit, 0.0):
            found.append(None)
        else:
            found.append(Collapse(int(mine.argmin()), float(-mine.min())))
    return found
