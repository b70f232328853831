r"""Off-policy estimators that weight what was logged, that ask a model, or that do both.

All estimate the discounted return of the target policy from its starts, of episodes of any length. With ratio
$\rho_t$ = target / behaviour of the action at time t and $w_t = \rho_0 \cdots \rho_t$. An episode that ended keeps its
last weight and earns nothing more, as in an absorbing state; that is what self-normalisation over time divides by.
"""

from typing import Any, NamedTuple

import numpy as np

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.logged import Episodes, Estimate, Logged, Rows


class Values(NamedTuple):
    """A model of the target policy's values: `action_value` Q(s, a) of the logged action and `value` V(s) = E_target Q
    by row, and `after` by episode, V of the state after its last step, used where the episode was cut (0 if None)."""

    action_value: Rows
    value: Rows
    after: Episodes | None = None

    def checked(self, logged: Logged) -> "Values":
        """These values as float64. Raises `DataError` unless they are as many as the log's rows and episodes."""
        action_value, value = (np.asarray(rows, np.float64).reshape(-1) for rows in self[:2])
        after = None if self.after is None else np.asarray(self.after, np.float64).reshape(-1)
        given = [len(action_value), len(value)] + ([] if after is None else [len(after)])
        if given[:2] != [len(logged)] * 2 or given[2:] not in ([], [logged.episodes]):
            raise DataError(
                f"The model's values have lengths {given}; expected {len(logged)} rows of Q and of V, and "
                f"{logged.episodes} episodes of `after`."
            )
        return Values(action_value, value, after)


def direct_method(logged: Logged, values: Values) -> Estimate:
    """DM: the model's value at the logged starts. No propensities; as good as the model."""
    return Estimate.mean_of(values.checked(logged).value[logged.starts])


def trajectory_importance(logged: Logged, *, normalised: bool = False) -> Estimate:
    r"""TIS: $w_{T-1}$ times the return of each episode; `normalised` divides by the mean weight in place of 1.

    **Source:** Precup, Sutton and Singh (2000), "Eligibility traces for off-policy policy evaluation", section 3.
    """
    weight = logged.weight[logged.last]
    if not normalised:
        return Estimate.mean_of(weight * logged.returns)
    mean = some_weight(weight.mean())
    value = float((weight * logged.returns).mean() / mean)
    return Estimate(value, value + weight * (logged.returns - value) / mean)


def per_decision_importance(logged: Logged, *, normalised: bool = False) -> Estimate:
    r"""PDIS: $\sum_t \gamma^t w_t r_t$, so that no reward carries the weights of later steps.

    **Source:** Precup, Sutton and Singh (2000), section 4; `normalised`: by time step, as Thomas and Brunskill,
    arXiv:1604.00923, definition of CWPDIS.
    """
    if normalised:
        return _normalised_by_time(logged, logged.reward)
    return Estimate.mean_of(logged.discounted(logged.weight * logged.reward))


def doubly_robust(logged: Logged, values: Values, *, normalised: bool = False) -> Estimate:
    r"""DR: $V(s_0) + \sum_t \gamma^t w_t (r_t + \gamma V(s_{t+1}) - Q(s_t, a_t))$, unbiased whatever the model.

    **Source:** Jiang and Li, arXiv:1511.03722, equation 10; `normalised`: WDR of Thomas and Brunskill,
    arXiv:1604.00923, section 4.
    """
    start, surprise = _start_and_surprise(logged, values)
    if not normalised:
        return Estimate.mean_of(start + logged.discounted(logged.weight * surprise))
    rest = _normalised_by_time(logged, surprise)
    return Estimate(float(start.mean() + rest.value), start + rest.terms)


def switch(logged: Logged, values: Values, *, most: float) -> Estimate:
    """SWITCH-DR: as DR until the first step at which the weight exceeds `most`, and from there on the model alone.

    `most` infinite is DR, 0 is DM; between them bias is exchanged for variance.

    **Source:** Wang, Agarwal and Dudík, arXiv:1612.01205, section 4 (one step); over time the weight is the product.

    **Raises:** `SettingError` for a negative `most`.
    """
    if not most >= 0:
        raise SettingError(f"most={most}; expected the largest weight to be trusted, from 0 on (infinity gives DR).")
    start, surprise = _start_and_surprise(logged, values)
    beyond = np.cumsum(logged.weight > most)
    before = np.concatenate([[0], beyond])[logged.starts]
    trusted = beyond == np.repeat(before, logged.lengths)
    return Estimate.mean_of(start + logged.discounted(np.where(trusted, logged.weight, 0.0) * surprise))


def some_weight(total: Any) -> Any:
    """`total`, unless a weight in it is 0, which divides nothing: then `DataError`."""
    if not np.all(total > 0):
        raise DataError("No logged episode could have come from the target policy: all its weights are 0 at some step.")
    return total


def _start_and_surprise(logged: Logged, values: Values) -> tuple[Episodes, Rows]:
    action_value, value, after = values.checked(logged)
    onward = logged.following(value, after)
    return value[logged.starts], logged.reward + logged.discount * onward - action_value


def _normalised_by_time(logged: Logged, rows: Rows) -> Estimate:
    """The discounted sum over time of the weighted mean of `rows`; the weights at each time are made to sum to 1."""
    longest = int(logged.lengths.max())
    final = logged.weight[logged.last]
    running = np.bincount(logged.time, weights=logged.weight, minlength=longest)
    ended = np.cumsum(np.bincount(logged.lengths, weights=final, minlength=longest + 1))[:longest]
    total = some_weight(running + ended)
    centre = np.bincount(logged.time, weights=logged.weight * rows, minlength=longest) / total
    fade = logged.discount ** np.arange(longest, dtype=np.float64)
    value = float(fade @ centre)
    time = logged.time
    own = np.add.reduceat(fade[time] * logged.weight * (rows - centre[time]) / total[time], logged.starts)
    # After its end an episode still counts in the total, with nothing earned: it draws the mean of that time to 0.
    remaining = np.append(np.cumsum((fade * centre / total)[::-1])[::-1], 0.0)
    return Estimate(value, value + logged.episodes * (own - final * remaining[logged.lengths]))
