"""Who is better, from who was preferred to whom: strengths by Bradley and Terry, and how far two rankings agree."""

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics.interval import finite_scores


def bradley_terry(wins: ArrayLike, *, ridge: float = 1e-2) -> Float[np.ndarray, " player"]:
    r"""A strength for every player, such that i is preferred to j with probability $\sigma(s_i - s_j)$; their sum is 0.

    `wins[i, j]`: how often i was preferred to j, a tie counting half for either. Strengths are held towards 0 by `ridge`,
    so that a player that always won stays finite.

    **Raises:** `DataError` unless the wins are a square table of finite numbers from 0 on; `SettingError` unless the ridge
    is above 0.

    **Source:** Bradley and Terry (1952), "Rank analysis of incomplete block designs".
    """
    table = np.asarray(wins, np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not np.isfinite(table).all() or (table < 0).any():
        raise DataError(f"Wins of shape {table.shape}; expected (players, players), finite and at least 0.")
    if not ridge > 0:
        raise SettingError(f"ridge={ridge!r}; expected above 0.")

    def loss(weight: np.ndarray) -> tuple[float, np.ndarray]:
        apart = weight[:, None] - weight[None]
        value = (table * np.logaddexp(0, -apart)).sum() + ridge * (weight**2).sum() / 2
        slope = -table / (1 + np.exp(np.clip(apart, -500, 500)))
        return float(value), slope.sum(axis=1) - slope.sum(axis=0) + ridge * weight

    return scipy.optimize.minimize(loss, np.zeros(len(table)), jac=True, method="BFGS").x


def wins_of(
    first: Int[np.ndarray, " vote"], second: Int[np.ndarray, " vote"], preference: ArrayLike, players: int
) -> Float[np.ndarray, "player player"]:
    """The table of wins of single votes: `preference` is 1 where the first was preferred, 0 the second, 0.5 neither."""
    table, share = np.zeros((players, players)), np.asarray(preference, np.float64)
    np.add.at(table, (first, second), share)
    np.add.at(table, (second, first), 1 - share)
    return table


def wins_by_score(scores: Float[np.ndarray, "player episode"]) -> Float[np.ndarray, "player player"]:
    """The table of wins where the higher score of the same episode is preferred, and equal ones tie."""
    gap = scores[:, None] - scores[None]
    table = (gap > 0).sum(axis=-1) + 0.5 * (gap == 0).sum(axis=-1)
    return table * (1 - np.eye(len(scores)))


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Kendall's tau-a, in [-1, 1]: pairs ranked alike less pairs ranked otherwise, over all; a tied pair is neither.

    **Raises:** `DataError` for fewer than two players, unequally many, or numbers that are not finite.
    """
    first, second = finite_scores(one, "one", 1), finite_scores(other, "other", 1)
    if len(first) != len(second) or len(first) < 2:
        raise DataError(f"Rankings of {len(first)} and {len(second)}; expected those of the same players, two or more.")
    upper = np.triu_indices(len(first), 1)
    signs = [np.sign(scores[:, None] - scores)[upper] for scores in (first, second)]
    return float((signs[0] * signs[1]).mean())
