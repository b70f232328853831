"""Readable stand-ins for a policy, a decision tree and a mixture of linear laws: how they are fitted and measured.

A surrogate is fitted to what the policy does at recorded observations, and acts by itself as a `HostPolicy`. How far it
may be trusted is measured: how often (how closely) it does the same in episodes that it has not seen, and what it
earns in the policy's place, on the same seeds. Both serve any policy: they ask it only for responses, as
`rollout.actors.responses_of` gives them: probabilities of choices, or actions of a box.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pilothouse.core.plain import plain
from pilothouse.core.spaces import Box, Space, Spec
from pilothouse.explain.readable import LinearMixture, Surrogate, TreeSurrogate, labels_of
from pilothouse.explain.watched import Watched, thinned, watch
from pilothouse.policies.host import choices_in
from pilothouse.rollout.actors import Responses
from pilothouse.statistics import Interval, paired_difference_interval
from pilothouse.train.sources import SimulatorSource, WorldSource

LEAVES = (2, 4, 8, 16, 32, 64, 128, 256)
"""Sizes of trees that are tried, smallest first."""

EXPERTS = (1, 2, 3, 4, 6, 8)
"""Numbers of linear laws that are tried, fewest first."""

NEVER = -1e3
"""The score of a choice that no row of a law takes."""

LEVELLING = 1e-6
"""Ridge of the linear laws, in standardised units a row: only against features that say the same."""


def likeness(
    space: Space, response: Float[np.ndarray, "rows outputs"], other: Float[np.ndarray, "rows outputs"]
) -> float:
    """How alike two responses to the same observations are, at most 1.

    Of choices: the share of rows with the same choices. Of boxes: R² of `other` as a prediction of `response`, the mean
    over the entries that vary (1 where none does and all agree, else 0).
    """
    if not isinstance(space, Box):
        return float((labels_of(space, response) == labels_of(space, other)).all(axis=1).mean())
    error, spread = ((response - other) ** 2).mean(axis=0), response.var(axis=0)
    varies = spread > 1e-12
    if not varies.any():
        return float(np.allclose(response, other, atol=1e-6))
    return float((1 - error[varies] / spread[varies]).mean())


def fit_tree(
    spec: Spec,
    names: Sequence[str],
    obs: Float[np.ndarray, "rows features"],
    response: Float[np.ndarray, "rows outputs"],
    *,
    leaves: int,
    seed: int = 0,
) -> TreeSurrogate:
    """The tree of at most so many leaves that is grown best first; entries of boxes count by their own spread."""
    labels = labels_of(spec.action, response)
    if not isinstance(spec.action, Box):
        tree = DecisionTreeClassifier(max_leaf_nodes=max(leaves, 2), random_state=seed)
        return TreeSurrogate(spec, names, tree.fit(obs, labels if labels.shape[1] > 1 else labels[:, 0]))
    spread = labels.std(axis=0)
    unit = np.where(spread > 1e-8, spread, 1.0)
    tree = DecisionTreeRegressor(max_leaf_nodes=max(leaves, 2), random_state=seed).fit(obs, labels / unit)
    tree.tree_.value[:] *= unit[:, None]  # leaves in the units of the action
    return TreeSurrogate(spec, names, tree)


def fit_mixture(
    spec: Spec,
    names: Sequence[str],
    obs: Float[np.ndarray, "rows features"],
    response: Float[np.ndarray, "rows outputs"],
    *,
    experts: int,
    rounds: int = 12,
    restarts: int = 3,
    seed: int = 0,
) -> LinearMixture:
    """Linear laws, and the tree that chooses among them.

    From clusters of observations, for `rounds` each row goes to the law of least error and the laws are fitted anew;
    then, for as many, the tree learns which row went where (weighed by what a mistake costs there), and the laws are
    fitted where the tree sends them. Of the latter rounds of all `restarts` that of least squared error is kept. The
    tree has at most four leaves a law.

    **Source:** in the spirit of clusterwise regression (Späth 1979) and of hard mixtures of experts; the router by
    costs is ours.
    """
    centre, scale = obs.mean(axis=0), obs.std(axis=0)
    scale = np.where(scale > 1e-8, scale, 1.0)
    unit, target = (np.asarray(obs, np.float64) - centre) / scale, np.asarray(response, np.float64)
    best: tuple[float, Any, Any] | None = None
    for start in range(restarts if experts > 1 else 1):
        router, given = None, np.zeros(len(obs), int)
        if experts > 1:
            given = KMeans(experts, n_init="auto", random_state=seed + start).fit_predict(unit)
        for turn in range(2 * rounds if experts > 1 else 1):
            laws = [_law(unit, target, given == law) for law in range(experts)]
            errors = _errors(laws, unit, target)
            if experts > 1 and turn < rounds:  # first let laws find their rows wherever these lie
                given = errors.argmin(axis=1)
                continue
            if experts > 1:
                router = _router(obs, errors, seed)
                given = np.asarray(router.predict(np.asarray(obs, np.float32)), int)
                laws = [_law(unit, target, given == law) for law in range(experts)]
                errors = _errors(laws, unit, target)
            total = float(np.take_along_axis(errors, given[:, None], axis=1).sum())
            if best is None or total < best[0]:
                best = (total, router, laws)
    assert best is not None
    _, router, laws = best
    if not isinstance(spec.action, Box):
        given = np.zeros(len(obs), int) if router is None else np.asarray(router.predict(obs.astype(np.float32)), int)
        labels = labels_of(spec.action, target)
        laws = [_choice_law(spec.action, unit, labels, _enough(given == law, unit)) for law in range(experts)]
    weights = np.stack([law / scale[:, None] for law, _ in laws])
    biases = np.stack([bias - centre @ own for (_, bias), own in zip(laws, weights, strict=True)])
    return LinearMixture(spec, names, router, weights, biases)


def _choice_law(space: Space, unit: np.ndarray, labels: np.ndarray, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights `(features, choices)` and biases of a logistic regression, one for each of several choices at once.

    Squares serve to find who takes which rows; where a choice turns is a matter for likelihoods.
    """
    found = []
    for i, choices in enumerate(choices_in(space)):
        weights, biases = np.zeros((unit.shape[1], choices)), np.full(choices, NEVER)
        present = np.unique(labels[mine, i])
        if len(present) == 1:
            biases[present] = 0.0
        else:
            model = LogisticRegression(C=1e4, solver="newton-cholesky").fit(unit[mine], labels[mine, i])
            two = len(present) == 2  # then scikit-learn gives the second's score against the first's
            weights[:, present] = (np.concatenate([-model.coef_, model.coef_]) / 2 if two else model.coef_).T
            biases[present] = np.concatenate([-model.intercept_, model.intercept_]) / 2 if two else model.intercept_
        found.append((weights, biases))
    return np.concatenate([w for w, _ in found], axis=1), np.concatenate([b for _, b in found])


def _errors(laws: Sequence[Any], unit: np.ndarray, target: np.ndarray) -> Float[np.ndarray, "rows laws"]:
    """The squared error of every law at every row, summed over outputs."""
    return np.stack([((unit @ weights + bias - target) ** 2).sum(axis=1) for weights, bias in laws], axis=1)


def _router(obs: np.ndarray, errors: Float[np.ndarray, "rows laws"], seed: int) -> Any:
    """The tree that sends rows to the law of least error; a row counts as much as a mistake costs there."""
    cost = errors.mean(axis=1) - errors.min(axis=1)
    tree = DecisionTreeClassifier(max_leaf_nodes=4 * errors.shape[1], random_state=seed)
    return tree.fit(obs, errors.argmin(axis=1), sample_weight=cost + 1e-6 * cost.mean() + 1e-12)


def _law(unit: np.ndarray, target: np.ndarray, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights `(features, outputs)` and biases of the ridge regression of the rows that are its own."""
    mine = _enough(mine, unit)
    middle, mean = unit[mine].mean(axis=0), target[mine].mean(axis=0)
    apart = unit[mine] - middle
    weights = np.linalg.solve(
        apart.T @ apart + LEVELLING * mine.sum() * np.eye(unit.shape[1]), apart.T @ (target[mine] - mean)
    )
    return weights, mean - middle @ weights


def _enough(mine: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """A law's rows; all rows, where it has too few to be fitted to."""
    return mine if mine.sum() > unit.shape[1] + 1 else np.ones(len(unit), bool)


Fit = Callable[[np.ndarray, np.ndarray, int], Surrogate]
"""`(obs, response, size) -> surrogate`."""


def simplest_as_good(fit: Fit, sizes: Sequence[int], seen: Watched, response: np.ndarray, seed: int) -> Surrogate:
    """The smallest surrogate that is within one standard error of the best, on a fifth of the episodes held out.

    It is fitted anew to all of them. The error is that of the mean over held-out episodes (0.01 where there is one).
    """
    held = _held(seen, 0.2, seed)
    scores = []
    for size in sizes:
        surrogate = fit(seen.obs[~held], response[~held], size)
        said = surrogate.respond(seen.obs[held])
        apart = [
            likeness(seen.spec.action, response[held][mine], said[mine])
            if not isinstance(seen.spec.action, Box)
            else _explained(response[held], said, mine)
            for mine in (seen.episode[held] == one for one in np.unique(seen.episode[held]))
        ]
        error = np.std(apart, ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else 0.01
        scores.append((float(np.mean(apart)), float(error)))
    best, error = max(scores)
    size = next(size for size, (score, _) in zip(sizes, scores, strict=True) if score >= best - error)
    return fit(seen.obs, response, size)


def _explained(response: np.ndarray, said: np.ndarray, mine: np.ndarray) -> float:
    """One episode's share of R²: its error against the spread over all held-out rows."""
    spread = np.maximum(response.var(axis=0), 1e-12)
    return float((1 - ((response[mine] - said[mine]) ** 2).mean(axis=0) / spread).mean())


def _held(seen: Watched, share: float, seed: int) -> np.ndarray:
    _, second = seen.split(share, seed)
    return np.isin(seen.episode, second.episodes)


def aggregated(
    fit: Callable[[np.ndarray, np.ndarray], Surrogate],
    respond: Responses,
    place: WorldSource | SimulatorSource,
    obs: np.ndarray,
    response: np.ndarray,
    *,
    rounds: int,
    episodes: int,
    seed: int,
    longest: int | None = None,
) -> tuple[Surrogate, Float[np.ndarray, " round"]]:
    """Let the surrogate act, ask the policy what it would have done there, fit to all of it, and so on.

    Returns the round's surrogate of the highest mean return, and those returns. So mistakes that the surrogate leads
    itself into are corrected, of which the policy's own episodes show nothing.

    **Source:** DAgger, Ross, Gordon and Bagnell, arXiv:1011.0686; the choice of the best round as in VIPER, Bastani, Pu
    and Solar-Lezama, arXiv:1805.08328, whose weights by a Q-function are left out: foreign policies have none.
    """
    tried: list[tuple[float, Surrogate]] = []
    for one in range(rounds + 1):
        surrogate = fit(obs, response)
        acted = watch(surrogate, place, episodes, seed + one * episodes, longest=longest)
        tried.append((float(acted.returns.mean()), surrogate))
        if one < rounds:
            obs, response = np.concatenate([obs, acted.obs]), np.concatenate([response, respond(acted.obs)])
    returns = np.array([score for score, _ in tried])
    return tried[int(returns.argmax())][1], returns


@dataclass(frozen=True)
class SurrogateStudy:
    """One surrogate, and how far to trust it.

    `fidelity`: agreement (choices) or R² (boxes) in episodes that it was not fitted to; `shuffled`: the same of one
    fitted to the policy's responses in random order, which must know nothing: `sanity_passed` if it lies below by 0.05
    and by two standard errors of a difference of shares.
    `returns` are the surrogate's, `own` the policy's, on the same seeds; `difference` is the 95% interval of their
    paired difference. They are empty and None where there was no place to act in. `size`: leaves, or linear laws.
    """

    kind: str
    size: int
    rules: tuple[str, ...]
    fidelity: float
    shuffled: float
    sanity_passed: bool
    returns: Float[np.ndarray, " episode"]
    own: Float[np.ndarray, " episode"]
    difference: Interval | None
    surrogate: Surrogate = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return plain(self, "surrogate")


def study_surrogates(
    seen: Watched,
    respond: Responses,
    *,
    seed: int = 0,
    quick: bool = True,
    place: WorldSource | SimulatorSource | None = None,
    policy: Any = None,
    longest: int | None = None,
) -> tuple[SurrogateStudy, ...]:
    """A tree and a mixture of linear laws for the policy that was watched; with a `place` (and the `policy`) the tree
    is aggregated there, and both are measured in it.

    Episodes there are stopped after `longest` steps, where that is given.

    A quarter of the episodes measures, the others fit; `quick` tries smaller sizes, on at most 4,000 rows.
    """
    fitted, unseen = seen.split(0.25, seed)
    fitted, unseen = (
        thinned(fitted, 4_000 if quick else 40_000, seed),
        thinned(unseen, 4_000 if quick else 40_000, seed),
    )
    response, truth = respond(fitted.obs), respond(unseen.obs)
    spec, names, count = seen.spec, seen.names, 8 if quick else 20

    def tree(obs: np.ndarray, said: np.ndarray, size: int) -> TreeSurrogate:
        return fit_tree(spec, names, obs, said, leaves=size, seed=seed)

    def mixture(obs: np.ndarray, said: np.ndarray, size: int) -> LinearMixture:
        return fit_mixture(spec, names, obs, said, experts=size, restarts=1 if quick else 3, seed=seed)

    first = simplest_as_good(tree, LEAVES[:6] if quick else LEAVES, fitted, response, seed)
    assert isinstance(first, TreeSurrogate)
    leaves = first.leaves
    chosen: list[tuple[str, int, Surrogate, Fit]] = []
    if place is not None:
        better, _ = aggregated(
            lambda obs, said: tree(obs, said, leaves),
            respond, place, fitted.obs, response,
            rounds=1 if quick else 4, episodes=count, seed=seed + 10_000, longest=longest,
        )  # fmt: skip
        chosen.append(("tree", leaves, better, tree))
    else:
        chosen.append(("tree", leaves, first, tree))
    laws = simplest_as_good(mixture, EXPERTS[:4] if quick else EXPERTS, fitted, response, seed)
    assert isinstance(laws, LinearMixture)
    chosen.append(("linear mixture", len(laws.weights), laws, mixture))

    def earned(actor: Any) -> Float[np.ndarray, " episode"]:
        if place is None or policy is None:
            return np.zeros(0)
        return watch(actor, place, count, seed + 20_000, longest=longest).returns

    own = earned(policy)
    shuffle = np.random.default_rng(seed).permutation(len(response))
    studies = []
    for kind, size, surrogate, fit in chosen:
        fidelity = likeness(spec.action, truth, surrogate.respond(unseen.obs))
        nothing = likeness(spec.action, truth, fit(fitted.obs, response[shuffle], size).respond(unseen.obs))
        returns = earned(surrogate)
        studies.append(
            SurrogateStudy(
                kind=kind,
                size=size,
                rules=tuple(surrogate.rules()),
                fidelity=fidelity,
                shuffled=nothing,
                sanity_passed=bool(fidelity > nothing + 0.05 + 2 * np.sqrt(0.5 / len(unseen))),
                returns=returns,
                own=own,
                difference=paired_difference_interval(returns, own) if len(own) else None,
                surrogate=surrogate,
            )
        )
    return tuple(studies)
