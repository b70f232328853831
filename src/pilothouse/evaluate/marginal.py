r"""Off-policy estimators that weight states, or states and actions, by how often they are visited.

The weight of a row is how often (discounted) the target policy visits what it shows over how often the behaviour does,
so its variance does not grow with the length of an episode. Weights and action values here are linear in features;
one-hot features make them tables. Sums over rows carry $\gamma^t$, t the time within the episode.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.importance import Values
from pilothouse.evaluate.logged import Estimate, Logged, Rows

Table = Float[np.ndarray, "row feature"]


class Features(NamedTuple):
    """What a linear model sees: `now` `[row, feature]`, `onward` `[row, feature]` of the next state (0 where it
    terminated), and `first` `[episode, feature]` of the starts. Of states and actions, `onward` and `first` are means
    over what the target policy would do."""

    now: Table
    onward: Table
    first: Float[np.ndarray, "episode feature"]


def state_features(logged: Logged, obs: Int[np.ndarray, " row"], onward: Int[np.ndarray, " row"]) -> Features:
    """One-hot features of the states of a log: `obs` and the next ones."""
    states = int(max(obs.max(), onward.max())) + 1
    now = np.eye(states)[obs]
    return Features(now, np.eye(states)[onward] * ~logged.terminated[:, None], now[logged.starts])


def state_action_features(
    logged: Logged,
    obs: Int[np.ndarray, " row"],
    action: Int[np.ndarray, " row"],
    onward: Int[np.ndarray, " row"],
    policy: Float[np.ndarray, "state action"],
) -> Features:
    """One-hot features of pairs, for a target policy given as a table of probabilities."""
    states, actions = policy.shape
    now = np.eye(states * actions)[obs * actions + action]
    spread = (np.eye(states)[:, :, None] * policy[None]).reshape(states, states * actions)
    return Features(now, spread[onward] * ~logged.terminated[:, None], spread[obs[logged.starts]])


def state_action_weights(logged: Logged, features: Features, *, ridge: float = 0.0) -> Rows:
    r"""MWL: weights $w = \phi^\top \alpha$ under which visits balance, for every test function in the same features.

    $\sum_{rows} \gamma^t w (\phi - \gamma \phi') = \sum_{episodes} \phi(s_0, \pi)$. Features that the log never shows
    get nothing. `ridge` is added to the diagonal, per episode.

    **Source:** Uehara, Huang and Jiang, arXiv:1910.12809, section 4, linear classes.
    """
    matrix, start = _system(logged, features, np.ones(len(logged)))
    return features.now @ _solve(matrix, start, ridge)


def state_weights(logged: Logged, features: Features, *, ridge: float = 0.0) -> Rows:
    r"""Weights of states, linear in features of states alone; the logged action counts by its ratio $\rho$.

    $\sum_{rows} \gamma^t w (\phi(s) - \gamma \rho\, \phi(s')) = \sum_{episodes} \phi(s_0)$.

    **Source:** Liu, Li, Tang and Zhou, arXiv:1810.12429, equation 7, linear classes; Xie, Ma and Wang,
    arXiv:1906.03393, for tables.
    """
    matrix, start = _system(logged, features, logged.ratio)
    return features.now @ _solve(matrix, start, ridge)


def density_ratio(logged: Logged, features: Features, *, ridge: float = 1e-6) -> Rows:
    r"""DualDICE with linear functions: $\min_\nu \max_\zeta E[(\nu - \gamma \nu') \zeta - \zeta^2 / 2] - E[\nu(s_0, \pi)]$.

    The weights are $\zeta$. `ridge` holds $\nu$ near 0; as it vanishes the weights become those of
    `state_action_weights` in the same features, which the pull towards 0 keeps finite where coverage is thin.

    **Source:** Nachum, Chow, Dai and Li, arXiv:1906.04733, equation 11, with f the half square.
    """
    matrix, start = _system(logged, features, np.ones(len(logged)))  # matrix[i, j]: test function i, weight j
    second = np.einsum("r,ri,rj->ij", logged.fade, features.now, features.now) / logged.episodes
    inverse = np.linalg.pinv(second, hermitian=True)
    inner = matrix @ inverse @ matrix.T
    potential = _solve(inner, start, ridge)
    return features.now @ (inverse @ matrix.T @ potential)


def state_action_marginal(logged: Logged, weights: Rows) -> Estimate:
    r"""The mean over episodes of $\sum_t \gamma^t w(s_t, a_t) r_t$. Needs no propensities.

    The terms treat the weights as known; those of `mwl` do not.
    """
    return Estimate.mean_of(logged.discounted(_rows(logged, weights) * logged.reward))


def state_marginal(logged: Logged, weights: Rows) -> Estimate:
    r"""The mean over episodes of $\sum_t \gamma^t w(s_t) \rho_t r_t$, weights of states alone.

    The terms treat the weights as known; those of `state_mwl` do not.
    """
    return Estimate.mean_of(logged.discounted(_rows(logged, weights) * logged.ratio * logged.reward))


def marginal_doubly_robust(logged: Logged, weights: Rows, values: Values) -> Estimate:
    r"""Double RL: $V(s_0) + \sum_t \gamma^t w(s_t, a_t) (r_t + \gamma V(s_{t+1}) - Q(s_t, a_t))$.

    Right where the weights are or the values are; the terms are the efficient ones.

    **Source:** Kallus and Uehara, arXiv:1909.05850.
    """
    action_value, value, after = values.checked(logged)
    surprise = logged.reward + logged.discount * logged.following(value, after) - action_value
    return Estimate.mean_of(value[logged.starts] + logged.discounted(_rows(logged, weights) * surprise))


def mwl(logged: Logged, features: Features, *, ridge: float = 0.0) -> Estimate:
    """Minimax weight learning: `state_action_marginal` under `state_action_weights`.

    Equal to `mql` in the same features without ridge. Terms are the efficient ones, with the action values that
    belong to these features.
    """
    value = state_action_marginal(logged, state_action_weights(logged, features, ridge=ridge)).value
    return _about(value, logged, features, np.ones(len(logged)), ridge)


def mql(logged: Logged, features: Features, *, ridge: float = 0.0) -> Estimate:
    """Minimax Q learning: the mean at the starts of action values whose Bellman error no test function sees.

    **Source:** Uehara, Huang and Jiang, arXiv:1910.12809, section 5; with linear classes it is LSTD-Q.
    """
    theta = action_value_weights(logged, features, ridge=ridge)
    return _about(float((features.first @ theta).mean()), logged, features, np.ones(len(logged)), ridge)


def state_mwl(logged: Logged, features: Features, *, ridge: float = 0.0) -> Estimate:
    """`state_marginal` under `state_weights`, with terms that count the noise of the weights too."""
    value = state_marginal(logged, state_weights(logged, features, ridge=ridge)).value
    return _about(value, logged, features, logged.ratio, ridge)


def action_value_weights(logged: Logged, features: Features, *, ridge: float = 0.0) -> Float[np.ndarray, " feature"]:
    r"""$\theta$ of $Q = \phi^\top \theta$: $\sum_{rows} \gamma^t \phi\,(r + \gamma \phi'^\top \theta - \phi^\top \theta) = 0$."""
    return _values(logged, features, np.ones(len(logged)), ridge)


def _values(logged: Logged, features: Features, ratio: Rows, ridge: float) -> np.ndarray:
    matrix, _ = _system(logged, features, ratio)
    earned = (logged.fade * ratio * logged.reward) @ features.now / logged.episodes
    return _solve(matrix.T, earned, ridge)


def _about(value: float, logged: Logged, features: Features, ratio: Rows, ridge: float) -> Estimate:
    """This value, with each episode's influence on it: values at its start plus weighted Bellman errors."""
    matrix, start = _system(logged, features, ratio)
    weights = features.now @ _solve(matrix, start, ridge)
    theta = _values(logged, features, ratio, ridge)
    onward = ratio * (logged.reward + logged.discount * features.onward @ theta)
    terms = features.first @ theta + logged.discounted(weights * (onward - features.now @ theta))
    return Estimate(value, terms - terms.mean() + value)


def _system(logged: Logged, features: Features, ratio: Rows) -> tuple[np.ndarray, np.ndarray]:
    """`[test, weight]`: how each weight feature moves the balance of each test feature; and the starts, per episode."""
    now, onward, first = (np.asarray(table, np.float64) for table in features)
    if now.shape != onward.shape or now.shape[0] != len(logged) or first.shape != (logged.episodes, now.shape[1]):
        raise DataError(
            f"Features are {now.shape}, {onward.shape} and {first.shape}; expected ({len(logged)}, k) twice and "
            f"({logged.episodes}, k)."
        )
    change = now - logged.discount * ratio[:, None] * onward
    return (logged.fade[:, None] * change).T @ now / logged.episodes, first.mean(axis=0)


def _solve(matrix: np.ndarray, right: np.ndarray, ridge: float) -> np.ndarray:
    """Least squares of least size, so that features which the log never shows get 0."""
    if ridge < 0:
        raise SettingError(f"ridge={ridge}; expected a number from 0 on.")
    return np.linalg.lstsq(matrix + ridge * np.eye(len(matrix)), right, rcond=None)[0]


def _rows(logged: Logged, weights: Rows) -> Rows:
    if np.shape(weights) != (len(logged),):
        raise DataError(f"Weights have shape {np.shape(weights)}; expected ({len(logged)},), one for each row.")
    return weights
