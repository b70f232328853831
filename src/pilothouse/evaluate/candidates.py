"""Candidate policies held against one log: what each would earn, by every estimator, and how well those choose.

The log has choices for actions; observations are choices too (tables), or numbers (linear models of them).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression

from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.spaces import Box, Discrete
from pilothouse.data.dataset import Dataset
from pilothouse.evaluate.importance import (
    Values,
    direct_method,
    doubly_robust,
    per_decision_importance,
    switch,
    trajectory_importance,
)
from pilothouse.evaluate.logged import Estimate, Logged, Rows, counted_propensities
from pilothouse.evaluate.marginal import (
    Features,
    action_value_weights,
    mwl,
    state_mwl,
)
from pilothouse.evaluate.selection import rank_correlation, regret_at_k, sharpe_ratio_at_k

Candidate = Callable[[np.ndarray], Float[np.ndarray, "row action"]]
"""`candidate(observations) -> probabilities of every action`, rows that sum to 1."""


def state_rows(dataset: Dataset) -> tuple[Float[np.ndarray, "row feature"], Float[np.ndarray, "row feature"]]:
    """Features of each row's observation and of its next: one-hot where they are choices, else numbers and a 1.

    Numbers are standardised by the dataset. Raises `SpaceError` for other observations.
    """
    space = dataset.spec.obs
    if isinstance(space, Discrete):
        return np.eye(space.n)[dataset.obs], np.eye(space.n)[dataset.next_obs]
    if not isinstance(space, Box) or space.is_image:
        raise SpaceError(f"Estimators of candidates read Discrete or Box observations, not {space}.")
    mean, std = dataset.scaler()

    def numbers(obs: np.ndarray) -> np.ndarray:
        flat = ((obs - mean) / std).reshape(len(obs), -1)
        return np.concatenate([flat, np.ones((len(flat), 1))], axis=1).astype(np.float64)

    return numbers(dataset.obs), numbers(dataset.next_obs)


def behaviour_propensities(dataset: Dataset) -> Rows:
    """Estimated propensities of the logged actions: shares where observations are choices, else logistic regression."""
    if isinstance(dataset.spec.obs, Discrete):
        return counted_propensities(dataset.obs, dataset.action)
    seen, places = np.unique(dataset.action, return_inverse=True)
    if len(seen) == 1:
        return np.ones(len(dataset))
    model = LogisticRegression(max_iter=1000).fit(state_rows(dataset)[0], places)
    return model.predict_proba(state_rows(dataset)[0])[np.arange(len(dataset)), places]


def estimates(
    dataset: Dataset,
    candidate: Candidate,
    *,
    behaviour: Rows,
    discount: float,
    most: float = 10.0,
    ridge: float = 1e-3,
) -> tuple[dict[str, Estimate], Logged]:
    """Every estimator's answer for one candidate, by short name, and the log that they read.

    The model of DM, DR and SWITCH is linear in the features of states for each action, fitted to the same log by the
    equations of `marginal.action_value_weights`. `most`: SWITCH's; `ridge`: of the linear systems.

    **Raises:** `DataError` for probabilities of another shape or that do not sum to 1, and as `Logged`.
    """
    actions = dataset.spec.action
    if not isinstance(actions, Discrete):
        raise SpaceError(f"Estimators of candidates read Discrete actions, not {actions}.")
    chances, after = (_checked(candidate(obs), len(dataset), actions.n) for obs in (dataset.obs, dataset.next_obs))
    action, rows = np.asarray(dataset.action, np.int64), np.arange(len(dataset))
    logged = Logged.of(dataset, behaviour=behaviour, target=chances[rows, action], discount=discount)
    now, following = state_rows(dataset)

    def spread(states: np.ndarray, over: np.ndarray) -> np.ndarray:
        return (over[:, :, None] * states[:, None, :]).reshape(len(states), -1)

    alive = ~logged.terminated[:, None]
    pairs = Features(
        spread(now, np.eye(actions.n)[action]),
        spread(following, after) * alive,
        spread(now, chances)[logged.starts],
    )
    theta = action_value_weights(logged, pairs, ridge=ridge)
    values = Values(pairs.now @ theta, spread(now, chances) @ theta)
    states = Features(now, following * alive, now[logged.starts])
    return {
        "dm": direct_method(logged, values),
        "tis": trajectory_importance(logged),
        "pdis": per_decision_importance(logged),
        "dr": doubly_robust(logged, values),
        "sntis": trajectory_importance(logged, normalised=True),
        "snpdis": per_decision_importance(logged, normalised=True),
        "sndr": doubly_robust(logged, values, normalised=True),
        "switch": switch(logged, values, most=most),
        "sm": state_mwl(logged, states, ridge=ridge),
        "sam": mwl(logged, pairs, ridge=ridge),
    }, logged


def quality_of_choice(
    estimated: Mapping[str, float], truths: Mapping[str, float], *, k: int, baseline: float
) -> dict[str, float]:
    """How well one estimator's values of the candidates choose among them; `baseline`: what the behaviour is worth."""
    guessed, true = (np.array([table[name] for name in truths]) for table in (estimated, truths))
    return {
        "mse": float(np.mean((guessed - true) ** 2)),
        "rank": rank_correlation(guessed, true),
        "regret": regret_at_k(guessed, true, k),
        "sharpe": sharpe_ratio_at_k(guessed, true, k, baseline=baseline),
    }


def order_agreement(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Kendall's tau-b of two orders of the same names, in [-1, 1]; 0 where either is all ties."""
    names = list(one)
    tau: Any = scipy.stats.kendalltau([one[name] for name in names], [other[name] for name in names])[0]
    return float(np.nan_to_num(tau))


def _checked(chances: np.ndarray, rows: int, actions: int) -> np.ndarray:
    chances = np.asarray(chances, np.float64)
    if chances.shape != (rows, actions) or (chances < 0).any() or not np.allclose(chances.sum(1), 1, atol=1e-4):
        raise DataError(f"A candidate gave {chances.shape}; expected ({rows}, {actions}) with rows that sum to 1.")
    return chances
