"""What a policy is after, inferred by watching it: which of some goals, how firmly, and which features it prefers.

Inverse planning: somebody who pursues a goal takes better actions more often, in proportion to exp(rationality × action
value). Bayes' rule turns that round. How rational the watched policy is, is unknown too and is inferred beside the goal;
with a rationality of 0 among the possibilities, actions that pursue nothing leave the prior as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_softmax, softmax

from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.explain.watched import Watched
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import optimal

RATIONALITIES = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Inverse temperatures that are thought possible, in units of one over an action value; 0 acts at random."""

DRAWS = 10
"""Times that random actions are drawn for the sanity check."""


def boltzmann(
    action_values: Float[np.ndarray, "*states actions"], rationality: float
) -> Float[np.ndarray, "*states actions"]:
    """The chances of actions in proportion to exp(rationality × value)."""
    return softmax(rationality * np.asarray(action_values, np.float64), axis=-1)


def values_of_goals(worlds: Sequence[Tabular], *, discount: float) -> Float[np.ndarray, "goals states actions"]:
    """The best action values of each goal: one world a goal, alike but for rewards and ends."""
    return np.stack([optimal(world, discount=discount).action_value for world in worlds])


@dataclass(frozen=True)
class GoalPosterior:
    """What is thought of each goal and each rationality: `joint` sums to 1, `goal` and `rationality` are its margins.

    `evidence`: log-probability of the actions under all of it, in nats; `at_random`: under actions that pursue nothing.
    """

    joint: Float[np.ndarray, "goals rationalities"]
    rationalities: tuple[float, ...]
    evidence: float
    at_random: float

    @property
    def goal(self) -> Float[np.ndarray, " goals"]:
        return self.joint.sum(axis=1)

    @property
    def rationality(self) -> Float[np.ndarray, " rationalities"]:
        return self.joint.sum(axis=0)

    def as_json(self) -> dict[str, Any]:
        return {**plain(self), "goal": plain(self.goal)}


def infer_goal(
    action_values: Float[np.ndarray, "goals states actions"],
    state: Int[np.ndarray, " rows"],
    action: Int[np.ndarray, " rows"],
    *,
    prior: Float[np.ndarray, "goals rationalities"] | None = None,
    rationalities: Sequence[float] = RATIONALITIES,
) -> GoalPosterior:
    """Bayes' rule over goals and rationalities, given steps of a watched policy; by default all are as likely before.

    The posterior of some steps may be the prior of the next.

    **Raises:** `DataError` for a prior of another shape, or that is no distribution.
    """
    goals = len(action_values)
    shape = (goals, len(rationalities))
    prior = np.full(shape, 1 / np.prod(shape)) if prior is None else np.asarray(prior, np.float64)
    if prior.shape != shape or (prior < 0).any() or not np.isclose(prior.sum(), 1, atol=1e-6):
        raise DataError(f"The prior is {prior.shape} and sums to {prior.sum():g}; expected {shape}, summing to 1.")
    steps = np.zeros(shape)
    for column, rationality in enumerate(rationalities):
        chances = log_softmax(rationality * np.asarray(action_values, np.float64), axis=-1)
        steps[:, column] = chances[:, state, action].sum(axis=1)
    with np.errstate(divide="ignore"):
        together = np.log(prior) + steps
    evidence = float(np.logaddexp.reduce(together, axis=None))
    at_random = -len(state) * float(np.log(action_values.shape[-1]))
    return GoalPosterior(np.exp(together - evidence), tuple(rationalities), evidence, at_random)


@dataclass(frozen=True)
class GoalStudy:
    """The goals of some watched episodes: their `posterior`, the likeliest goal and its probability (`sure`).

    `foretold`: how much better (nats a step) the posterior of the other episodes foretells each episode's actions than
    chance does, mean over episodes; `randomised`: the same of actions drawn at random in the same states, and `drift`:
    how far (total variation, 0 to 1) those moved the goals' probabilities from the prior, means of `DRAWS` draws. `sanity_passed` if the watched
    actions are foretold better than chance and the random ones neither foretold nor moving.
    """

    posterior: GoalPosterior
    likeliest: int
    sure: float
    foretold: float
    randomised: float
    drift: float
    sanity_passed: bool

    @property
    def fidelity(self) -> float:
        return self.foretold

    def as_json(self) -> dict[str, Any]:
        return {**plain(self), "posterior": self.posterior.as_json()}


def study_goals(
    action_values: Float[np.ndarray, "goals states actions"],
    state: Int[np.ndarray, " rows"],
    action: Int[np.ndarray, " rows"],
    episode: Int[np.ndarray, " rows"],
    *,
    rationalities: Sequence[float] = RATIONALITIES,
    seed: int = 0,
) -> GoalStudy:
    """Infer the goal of all episodes, and test it: on each episode in turn, and on random actions.

    **Raises:** `DataError` with fewer than two episodes.
    """
    if len(np.unique(episode)) < 2:
        raise DataError("Goals are tested on episodes that were held out; expected at least two episodes.")
    rng, count = np.random.default_rng(seed), len(action_values)
    posterior = infer_goal(action_values, state, action, rationalities=rationalities)
    foretold = _foretold(action_values, state, action, episode, rationalities)
    gains, moved = [], []
    for _ in range(DRAWS):
        drawn = rng.integers(0, action_values.shape[-1], len(action))
        gains.append(_foretold(action_values, state, drawn, episode, rationalities))
        nothing = infer_goal(action_values, state, drawn, rationalities=rationalities)
        moved.append(0.5 * np.abs(nothing.goal - 1 / count).sum())
    randomised, drift = float(np.mean(gains)), float(np.mean(moved))
    likeliest = int(posterior.goal.argmax())
    return GoalStudy(
        posterior,
        likeliest,
        float(posterior.goal[likeliest]),
        foretold,
        randomised,
        drift,
        sanity_passed=foretold > 0.01 > randomised and drift < 0.25,
    )


def goals_of_watched(
    seen: Watched,
    worlds: Sequence[Tabular],
    *,
    discount: float,
    rationalities: Sequence[float] = RATIONALITIES,
    seed: int = 0,
) -> GoalStudy:
    """Which of these worlds' goals a policy pursues that was watched in a tabular world, and the test of that.

    **Raises:** `DataError` where states or choices are not those of the worlds, or with fewer than two episodes.
    """
    values = values_of_goals(worlds, discount=discount)
    if (seen.obs.shape[1], seen.choices) != values.shape[1:]:
        raise DataError(
            f"Watched: {seen.obs.shape[1]} features and {seen.choices} choices; expected the {values.shape[1]} states and "
            f"{values.shape[2]} choices of the worlds."
        )
    state = seen.obs.argmax(axis=1)
    return study_goals(values, state, seen.action, seen.episode, rationalities=rationalities, seed=seed)


def _foretold(
    action_values: np.ndarray,
    state: np.ndarray,
    action: np.ndarray,
    episode: np.ndarray,
    rationalities: Sequence[float],
) -> float:
    gains = []
    for one in np.unique(episode):
        mine = episode == one
        known = infer_goal(action_values, state[~mine], action[~mine], rationalities=rationalities)
        then = infer_goal(action_values, state[mine], action[mine], prior=known.joint, rationalities=rationalities)
        gains.append((then.evidence - then.at_random) / mine.sum())
    return float(np.mean(gains))


@dataclass(frozen=True)
class Preferences:
    """Weights of features in Boltzmann choices, their standard errors, and nats a choice gained over chance."""

    weights: Float[np.ndarray, " features"]
    errors: Float[np.ndarray, " features"]
    gained: float

    def known(self) -> np.ndarray:
        """Which weights are two standard errors away from 0."""
        return np.abs(self.weights) > 2 * self.errors

    def as_json(self) -> dict[str, Any]:
        return plain(self)


def choice_preferences(
    options: Float[np.ndarray, "choices options features"],
    chosen: Int[np.ndarray, " choices"],
    *,
    ridge: float = 1e-2,
) -> Preferences:
    """Weights w of the features of options that were chosen in proportion to exp(w · features): maximum a posteriori.

    A normal prior of variance 1 / `ridge`; Newton's method, each step halved until the likelihood rises (it is concave,
    so the maximum is the one). Errors are from the curvature at it.

    **Source:** McFadden (1974), "Conditional logit analysis of qualitative choice behavior"; of trajectories, Ziebart et
    al. (2008), "Maximum entropy inverse reinforcement learning".
    """
    options, rows = np.asarray(options, np.float64), np.arange(len(chosen))

    def total(weights: np.ndarray) -> float:
        return float(log_softmax(options @ weights, axis=1)[rows, chosen].sum() - 0.5 * ridge * weights @ weights)

    weights = np.zeros(options.shape[2])
    curvature = np.eye(len(weights))
    for _ in range(50):
        chances = softmax(options @ weights, axis=1)
        mean = np.einsum("no,nof->nf", chances, options)
        slope = (options[rows, chosen] - mean).sum(axis=0) - ridge * weights
        spread = np.einsum("no,nof,nog->fg", chances, options, options) - mean.T @ mean
        curvature = spread + ridge * np.eye(len(weights))
        step, now = np.linalg.solve(curvature, slope), total(weights)
        size = 1.0
        while size > 1e-6 and total(weights + size * step) < now:
            size /= 2
        weights = weights + size * step
        if np.abs(size * step).max() < 1e-10:
            break
    gained = float(log_softmax(options @ weights, axis=1)[rows, chosen].mean() + np.log(options.shape[1]))
    return Preferences(weights, np.sqrt(np.diag(np.linalg.inv(curvature))), gained)
