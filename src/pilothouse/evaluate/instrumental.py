r"""Off-policy evaluation where something unseen moved both the actions and what followed, and an instrument moved actions alone.

Two instruments (0, 1), two actions, states counted from 0. With $p(1|z,s)$ the chance of action 1 under instrument z, the
weights $c(z|s)$ with $\sum_z c = 1$ and $\sum_z c(z|s)\,p(1|z,s) = \pi(1|s)$ mix the two instruments into the target
policy: whatever follows, averaged with them, is what would follow the target policy, as long as the hidden cause shifts
outcomes by the same amount under both actions. Weights may be negative.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.logged import Estimate, Logged

ByState = Float[np.ndarray, " state"]
ByInstrument = Float[np.ndarray, "state instrument"]
Choices = Int[np.ndarray, " row"]

FEW = 1e-3
"""Observations that a cell which was never seen is given, of what all cells together showed."""


class InstrumentedRows(NamedTuple):
    """Where one was, what the instrument was, what was done, and where that led, by row; with the log's rewards."""

    obs: Choices
    instrument: Choices
    action: Choices
    next_obs: Choices
    logged: Logged

    def of_episodes(self, chosen: np.ndarray) -> "InstrumentedRows":
        """The rows of these episodes (a mask)."""
        old, rows = self.logged, chosen[self.logged.episode]
        logged = Logged.of_arrays(
            old.reward[rows], old.episode[rows], terminated=old.terminated[rows], discount=old.discount
        )
        obs, instrument, action, next_obs = (part[rows] for part in self[:4])
        return InstrumentedRows(obs, instrument, action, next_obs, logged)


class Nuisances(NamedTuple):
    """All that the estimators need to know; each may be exact, estimated, or wrong.

    - `assigned`: p(z|s); `taken`: p(1|z,s), the chance of action 1; `weights`: c(z|s).
    - `outcome`: what follows an instrument in discounted return, when the target policy goes on; `value`: its mean under c.
    - `visits`: expected discounted visits of each state by the target policy, over the log's visits per episode.
    """

    assigned: ByInstrument
    taken: ByInstrument
    weights: ByInstrument
    outcome: ByInstrument
    value: ByState
    visits: ByState


def instrument_weights(taken: ByInstrument, target: ByState, *, weakest: float = 0.01) -> ByInstrument:
    """c(z|s) for a target policy that takes action 1 with probability `target`.

    Where the two instruments change the chance of action 1 by less than `weakest`, that much is assumed, with its sign.

    **Raises:** `SettingError` unless `weakest` is positive.
    """
    if not weakest > 0:
        raise SettingError(f"weakest={weakest}; expected the least effect of the instrument that is believed, above 0.")
    effect = _effect(taken, weakest)
    second = (target - taken[:, 0]) / effect
    return np.stack([1 - second, second], axis=1)


def estimate_nuisances(
    rows: InstrumentedRows, target: ByState, *, weakest: float = 0.01, states: int | None = None
) -> Nuisances:
    """All of them by counting, and by solving the linear equations that they obey.

    **Raises:** `DataError` for an instrument or actions other than 0 and 1, `SettingError` for a discount of 1.
    """
    obs, instrument, action, onward, logged = rows
    if not logged.discount < 1:
        raise SettingError(f"discount={logged.discount:g}; values by linear equations need one below 1, such as 0.99.")
    for name, values in (("instrument", instrument), ("action", action)):
        if len(values) != len(logged) or not np.isin(values, (0, 1)).all():
            raise DataError(f"The {name} has {len(values)} rows from {min(values)} to {max(values)}; expected 0 or 1.")
    count = len(target) if states is None else states
    seen = np.zeros((count, 2))
    np.add.at(seen, (obs, instrument), 1.0)
    cell = obs, instrument
    assigned = (seen + FEW / 2) / (seen.sum(1, keepdims=True) + FEW)
    taken = (_sums(cell, action, seen) + FEW * action.mean()) / (seen + FEW)
    weights = instrument_weights(taken, target, weakest=weakest)
    reward = (_sums(cell, logged.reward, seen) + FEW * logged.reward.mean()) / (seen + FEW)
    leads = np.zeros((count, 2, count))
    alive = ~logged.terminated
    np.add.at(leads, (obs, instrument, onward), alive.astype(np.float64))
    leads = (leads + FEW * np.bincount(onward[alive], minlength=count) / len(logged)) / (seen + FEW)[..., None]
    # V = Σ c (r + γ P V), and the visits u of the target policy obey u = starts + γ Pᵀ u, both under the mixture c.
    mixed, earned = np.einsum("sz,szt->st", weights, leads), (weights * reward).sum(1)
    balance = np.eye(count) - logged.discount * mixed
    value = np.linalg.solve(balance, earned)
    starts = np.bincount(obs[logged.starts], minlength=count) / logged.episodes
    visits = np.linalg.solve(balance.T, starts)
    logged_visits = seen.sum(1) / logged.episodes
    ratio = np.divide(visits, logged_visits, out=np.zeros(count), where=logged_visits > 0)
    return Nuisances(assigned, taken, weights, reward + logged.discount * leads @ value, value, ratio)


def iv_direct(rows: InstrumentedRows, known: Nuisances) -> Estimate:
    """The model's value at the starts."""
    return Estimate.mean_of(known.value[rows.obs[rows.logged.starts]])


def iv_marginal(rows: InstrumentedRows, known: Nuisances) -> Estimate:
    r"""Rewards weighted by $\omega(s)\,\rho(s,z)$, $\rho = c(z|s) / p(z|s)$."""
    return Estimate.mean_of(np.add.reduceat(_weight(rows, known) * rows.logged.reward, rows.logged.starts))


def iv_doubly_robust(rows: InstrumentedRows, known: Nuisances, *, weakest: float = 0.01) -> Estimate:
    r"""$V(s_0) + \sum_t \omega\,\rho\,[r + \gamma V(s') - \bar Q(s,z) - (a - p(1|z,s))\,\Delta(s)]$.

    $\bar Q$ is `outcome` and $\Delta$ its difference between the instruments over that of p(1|z,s), the Wald ratio: what
    is left of an outcome once the instrument and the action that it brought are accounted for. With right p(z|s) and
    p(1|z,s) the estimate is right where the outcomes are or where the visits are.

    **Source:** Xu, Zhu, Shi, Luo and Song, "An Instrumental Variable Approach to Confounded Off-Policy Evaluation",
    arXiv:2212.14468, and the authors' code for the terms.
    """
    obs, instrument, action, onward, logged = rows
    later = np.where(logged.terminated, 0.0, known.value[onward])
    wald = (known.outcome[:, 1] - known.outcome[:, 0]) / _effect(known.taken, weakest)
    surprise = logged.reward + logged.discount * later - known.outcome[obs, instrument]
    surprise = surprise - (action - known.taken[obs, instrument]) * wald[obs]
    return Estimate.mean_of(
        known.value[obs[logged.starts]] + np.add.reduceat(_weight(rows, known) * surprise, logged.starts)
    )


def _weight(rows: InstrumentedRows, known: Nuisances) -> np.ndarray:
    cell = rows.obs, rows.instrument
    return known.visits[rows.obs] * known.weights[cell] / known.assigned[cell]


def _effect(taken: ByInstrument, weakest: float) -> ByState:
    """How much more often action 1 is taken under instrument 1 than under 0, at least `weakest` in size."""
    effect = taken[:, 1] - taken[:, 0]
    return np.where(np.abs(effect) < weakest, np.where(effect < 0, -weakest, weakest), effect)


def _sums(cell: tuple[np.ndarray, np.ndarray], values: np.ndarray, like: ByInstrument) -> ByInstrument:
    found = np.zeros_like(like)
    np.add.at(found, cell, values.astype(np.float64))
    return found
