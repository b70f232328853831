"""What a policy will do next: how well simple models foretell its actions and its failures, in unseen episodes.

Whoever watches a policy can ask three things: what it does now, what it will do some steps ahead, and whether this
episode will go badly. Each is learned by trees, nearest neighbours and a linear model, of which held-out episodes choose
one, and each is measured beside what the commonest answer alone would get right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pilothouse.core.plain import plain
from pilothouse.core.spaces import Box
from pilothouse.explain.clusters import failures
from pilothouse.explain.watched import Watched, thinned
from pilothouse.rollout.actors import flat_response
from pilothouse.statistics import Interval, mean_interval

AHEAD = (0, 1, 5, 20)
"""How many steps ahead actions are foretold; 0 is the action of this very step."""

COVER = 0.9
"""Share of actions that the interval around a foretold one is to hold."""

LEAST = 20
"""Rows of each part below which nothing is foretold."""


@dataclass(frozen=True)
class Prediction:
    """How well one thing was foretold in episodes that its model has not seen.

    `what`: `action` or `failure`; `ahead` in steps. `score`: accuracy of choices and failures, R² of boxes; `base` the
    same of always saying the commonest (the mean); `skill` the part of what `base` misses that is foretold, 1 for all.
    `interval`: 95%, of the mean of an episode's score, over unseen episodes. `calibration`: of choices the expected
    calibration error (0 is best), of boxes the share of entries within an interval that is to hold 90% (`nominal`, None
    for choices). `auc`: of failures, the chance that a row of a failing episode is thought the riskier of two.
    `shuffled`: the skill of a model fitted to answers in random order, from which `skill` must stand out.
    """

    what: str
    ahead: int
    model: str
    score: float
    base: float
    skill: float
    interval: Interval
    calibration: float
    nominal: float | None
    auc: float | None
    shuffled: float
    sanity_passed: bool
    rows: int


@dataclass(frozen=True)
class PredictionStudy:
    """What could be asked of these episodes; `fidelity` is the skill at the next action (None if that was not asked)."""

    predictions: tuple[Prediction, ...]
    failed: float
    fidelity: float | None
    sanity_passed: bool

    def of(self, what: str, ahead: int = 0) -> Prediction | None:
        """The prediction of that, or None where there was too little to learn it from."""
        return next((one for one in self.predictions if (one.what, one.ahead) == (what, ahead)), None)

    def as_json(self) -> dict[str, Any]:
        return plain(self)


def study_prediction(
    seen: Watched,
    *,
    seed: int = 0,
    quick: bool = True,
    ahead: Sequence[int] = AHEAD,
    failed: Bool[np.ndarray, " episode"] | None = None,
) -> PredictionStudy:
    """Foretell actions `ahead` and failures, fitted to three quarters of the episodes and measured on the others.

    An action ahead is foretold from the observation and the action now. `failed` says which episodes went badly, in the
    order of `seen.episodes`; by default a return in the lowest quarter.

    **Raises:** `SettingError` with fewer than two episodes.
    """
    failed = failures(seen) if failed is None else np.asarray(failed, bool)
    risky = np.isin(seen.episode, seen.episodes[failed])
    doing = seen.action.reshape(len(seen), -1)
    box = isinstance(seen.spec.action, Box)
    answer = doing.astype(np.float64) if box else np.unique(doing, axis=0, return_inverse=True)[1].ravel()
    # Where an action is one of several choices at once, each combination met is one answer.
    found = []
    for steps in ahead:
        rows = _followed(seen, steps)
        if len(rows) < 2 * LEAST:
            continue
        now = seen.rows(rows)
        features = now.obs if steps == 0 else np.c_[now.obs, flat_response(seen.spec.action, seen.action[rows])]
        found.append(_foretell("action", steps, now, features, answer[rows + steps], box, seed, quick))
    found.append(_foretell("failure", 0, seen, np.c_[seen.obs, seen.step], risky.astype(int), False, seed, quick))
    predictions = tuple(one for one in found if one is not None)
    first = next((one for one in predictions if (one.what, one.ahead) == ("action", 0)), None)
    return PredictionStudy(
        predictions=predictions,
        failed=float(failed.mean()),
        fidelity=None if first is None else first.skill,
        sanity_passed=first is not None and first.sanity_passed,
    )


def _followed(seen: Watched, steps: int) -> np.ndarray:
    """The rows whose episode goes on for so many steps, all of them watched."""
    rows = np.arange(len(seen) - steps)
    same = seen.episode[rows] == seen.episode[rows + steps]
    return rows[same & (seen.step[rows] + steps == seen.step[rows + steps])]


def _models(box: bool, seed: int, quick: bool) -> dict[str, Any]:
    leaves, k = (64, 15) if quick else (256, 15)
    if box:
        return {
            "tree": DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=seed),
            "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor(k)),
            "linear": make_pipeline(StandardScaler(), Ridge(1.0)),
        }
    return {
        "tree": DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=seed),
        "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(k)),
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=100.0, solver="newton-cholesky")),
    }


def _foretell(
    what: str,
    ahead: int,
    seen: Watched,
    features: np.ndarray,
    answer: np.ndarray,
    box: bool,
    seed: int,
    quick: bool,
) -> Prediction | None:
    """None where a part has too few rows, or where all episodes to learn from have the same answer (of failures)."""
    order = np.arange(len(seen))
    at = Watched(**{**seen.__dict__, "extras": {"row": order}})  # rows are known by number through the splits
    learn, test = at.split(0.25, seed)
    if len(learn.episodes) < 2:
        return None
    fit, choose = learn.split(0.25, seed + 1)
    most = 3_000 if quick else 20_000
    fit, choose, test = (thinned(part, most, seed).extras["row"] for part in (fit, choose, test))
    if min(len(fit), len(choose), len(test)) < LEAST:
        return None
    if what == "failure" and min(len(np.unique(answer[rows])) for rows in (fit, test)) < 2:
        return None

    def learned(model: Any, told: np.ndarray) -> Any:
        if not box and len(np.unique(told)) == 1:
            return _Always(told[0])
        return model.fit(features[fit], told if told.ndim == 1 or told.shape[1] > 1 else told[:, 0])

    scores: dict[str, tuple[float, Any]] = {}
    for name, model in _models(box, seed, quick).items():
        model = learned(model, answer[fit])
        scores[name] = (_score(box, answer[choose], _said(model, features[choose], box)), model)
    name = max(scores, key=lambda one: scores[one][0])
    model = scores[name][1]
    said = _said(model, features[test], box)
    base_said = _commonest(box, answer[fit], len(test))
    score, base = (_score(box, answer[test], one) for one in (said, base_said))
    told = np.random.default_rng(seed).permutation(answer[fit])
    nothing = _said(learned(_models(box, seed, quick)[name], told), features[test], box)
    skill, shuffled = (_skill(box, one, base) for one in (score, _score(box, answer[test], nothing)))
    episodes = [seen.episode[test] == one for one in np.unique(seen.episode[test])]
    each = [_score(box, answer[test][mine], said[mine], spread=answer[test]) for mine in episodes]
    calibration, auc = _calibrated(box, model, features, answer, choose, test, said, what)
    return Prediction(
        what=what,
        ahead=ahead,
        model=name,
        score=score,
        base=base,
        skill=skill,
        interval=mean_interval(each),
        calibration=calibration,
        nominal=COVER if box else None,
        auc=auc,
        shuffled=shuffled,
        sanity_passed=bool(skill > shuffled + 0.05 + 2 * np.sqrt(0.5 / len(test))),
        rows=len(test),
    )


class _Always:
    """What is learned where there is one answer only."""

    def __init__(self, answer: Any):
        self.classes_ = np.array([answer])

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.repeat(self.classes_, len(features))

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return np.ones((len(features), 1))


def _said(model: Any, features: np.ndarray, box: bool) -> np.ndarray:
    said = np.asarray(model.predict(features))
    return said.reshape(len(features), -1) if box else said


def _commonest(box: bool, answer: np.ndarray, rows: int) -> np.ndarray:
    if box:
        return np.broadcast_to(answer.mean(axis=0), (rows, answer.shape[1]))
    values, counts = np.unique(answer, return_counts=True)
    return np.full(rows, values[counts.argmax()])


def _score(box: bool, answer: np.ndarray, said: np.ndarray, *, spread: np.ndarray | None = None) -> float:
    """Accuracy, or R² as the mean over the entries that vary (over the rows of `spread`)."""
    if not box:
        return float((answer == said).mean())
    error, variance = ((answer - said) ** 2).mean(axis=0), (answer if spread is None else spread).var(axis=0)
    varies = variance > 1e-12
    return float((1 - error[varies] / variance[varies]).mean()) if varies.any() else float(np.allclose(answer, said))


def _skill(box: bool, score: float, base: float) -> float:
    """The part of what the base misses; a base that misses nothing leaves none (0)."""
    return (score - base) / (1 - base) if base < 1 else 0.0


def _calibrated(
    box: bool,
    model: Any,
    features: np.ndarray,
    answer: np.ndarray,
    choose: np.ndarray,
    test: np.ndarray,
    said: np.ndarray,
    what: str,
) -> tuple[float, float | None]:
    if box:
        misses = np.abs(answer[choose] - _said(model, features[choose], box))
        # The quantile of split conformal prediction: the ⌈(n + 1) · 0.9⌉-th smallest miss.
        within = np.sort(misses, axis=0)[min(int(np.ceil((len(misses) + 1) * COVER)), len(misses)) - 1]
        return float((np.abs(answer[test] - said) <= within + 1e-12).mean()), None
    probabilities = model.predict_proba(features[test])
    error = calibration_error(probabilities.max(axis=1), said == answer[test])
    if what != "failure":
        return error, None
    risk = probabilities[:, list(model.classes_).index(1)] if 1 in model.classes_ else np.zeros(len(test))
    return error, float(roc_auc_score(answer[test], risk))


def calibration_error(
    confidence: Float[np.ndarray, " rows"], right: Bool[np.ndarray, " rows"], *, bins: int = 10
) -> float:
    """Expected calibration error: how far confidence is from the share that is right, mean over bins of [0, 1].

    Bins are equally wide, and count by their rows.

    **Source:** Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599, equation 3.
    """
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    gaps = [
        abs(float(right[place == one].mean()) - float(confidence[place == one].mean())) * (place == one).mean()
        for one in np.unique(place)
    ]
    return float(np.sum(gaps))
