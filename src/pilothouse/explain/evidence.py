r"""Seeking evidence: which feature to look at next, when to stop, and what to believe then.

An inquiry begins with nothing known and asks for one feature after the other; each answer costs, and when it stops its
loss is the Brier score of its belief, $\sum_k (b_k - [k = \text{label}])^2$. Features are cut into a few levels, so what is
known is one of finitely many states, and the agent is the exact plan over them: by backward induction, on two halves of
the rows, one from which beliefs are counted and another by which they are judged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.explain.prediction import calibration_error

Known = tuple[tuple[int, int], ...]
"""What is known: `(feature, level)` of each feature asked for, in order of the features."""

FEWEST = 20
"""Rows: fewer say nothing of what an answer would be."""


def brier(belief: Float[np.ndarray, "rows choices"], label: Int[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """The squared distance of each belief from the truth: 0 when sure and right, 2 when sure and wrong."""
    return ((belief - np.eye(belief.shape[1])[label]) ** 2).sum(axis=1)


def cuts(observations: Float[np.ndarray, "rows features"], levels: int) -> Float[np.ndarray, "features cuts"]:
    """Where each feature is cut: a value above so many cuts is of that level, and levels hold about equally many rows.

    A feature of no more values than that is cut between them (and at infinity, where no value is above).
    """

    def of(column: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " cuts"]:
        values = np.unique(column)
        if len(values) > levels:
            return np.quantile(column, np.arange(1, levels) / levels)
        return np.append((values[1:] + values[:-1]) / 2, np.full(levels - len(values), np.inf))

    return np.stack([of(column) for column in observations.T])


def levelled(
    observations: Float[np.ndarray, "rows features"], at: Float[np.ndarray, "features cuts"]
) -> Int[np.ndarray, "rows features"]:
    """The level of every entry, from 0."""
    return (observations[:, :, None] > at).sum(axis=2)


@dataclass(frozen=True)
class Node:
    """One state of an inquiry: the belief, its loss, and the loss to come (costs included) after each next question."""

    belief: Float[np.ndarray, " choices"]
    stop: float
    ask: dict[int, float]

    @property
    def value(self) -> float:
        """The loss to come when going on as is best."""
        return min([self.stop, *self.ask.values()])

    def question(self, withheld: Bool[np.ndarray, " features"]) -> int | None:
        """The best feature to ask for of those not withheld; None where stopping is as good."""
        open_ = [(loss, feature) for feature, loss in self.ask.items() if not withheld[feature]]
        return min(open_)[1] if open_ and min(open_)[0] < self.stop else None


@dataclass(frozen=True)
class Asked:
    """What an inquiry did with each row: the belief it ended with, and the features it asked for, in order; -1 is none."""

    belief: Float[np.ndarray, "rows choices"]
    features: Int[np.ndarray, "rows budget"]


@dataclass(frozen=True)
class Inquiry:
    """The best plan of at most `budget` questions at `cost` each, learned from levels and labels of some rows.

    Beliefs are shares of labels among the rows that fit, with `prior` rows added that have the shares of all. **Raises:**
    `DataError` for fewer than two rows.
    """

    level: Int[np.ndarray, "rows features"]
    label: Int[np.ndarray, " rows"]
    choices: int
    budget: int
    cost: float
    prior: float = 2.0
    _nodes: dict[Known, Node] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.label) < 2:
            raise DataError(f"{len(self.label)} rows; an inquiry is learned from two halves of them. Give more.")

    def node(self, known: Known) -> Node:
        """The state after these answers, solved when first asked for."""
        if known not in self._nodes:
            self._nodes[known] = self._solved(known)
        return self._nodes[known]

    def belief(self, known: Known) -> Float[np.ndarray, " choices"]:
        """The share of each label among the rows of the first half that fit."""
        counted = np.bincount(self.label[::2], minlength=self.choices) / len(self.label[::2])
        fits = np.bincount(self.label[::2][self._fit(known)[::2]], minlength=self.choices)
        return (fits + self.prior * counted) / (fits.sum() + self.prior)

    def run(self, level: Int[np.ndarray, "rows features"], withheld: Bool[np.ndarray, "rows features"]) -> Asked:
        """Inquire into each of these rows, whose `withheld` features cannot be asked for."""
        belief, features = np.zeros((len(level), self.choices)), np.full((len(level), self.budget), -1)
        for row in range(len(level)):
            known: Known = ()
            for count in range(self.budget + 1):
                node = self.node(known)
                asked = node.question(withheld[row])
                if asked is None:
                    break
                features[row, count] = asked
                known = tuple(sorted((*known, (asked, int(level[row, asked])))))
            belief[row] = self.node(known).belief
        return Asked(belief, features)

    def fixed(self) -> tuple[int, ...]:
        """The features that, asked for in every row alike, leave the least loss: `budget` of them, by the second half."""
        return min(combinations(range(self.level.shape[1]), self.budget), key=self._loss_of)

    def run_fixed(
        self, level: Int[np.ndarray, "rows features"], features: tuple[int, ...]
    ) -> Float[np.ndarray, "rows choices"]:
        """Beliefs after asking for the same features in every row."""
        found, where = np.unique(level[:, list(features)], axis=0, return_inverse=True)
        beliefs = [self.belief(tuple(zip(features, map(int, levels), strict=True))) for levels in found]
        return np.stack(beliefs)[where.reshape(-1)]

    def _loss_of(self, features: tuple[int, ...]) -> float:
        return float(brier(self.run_fixed(self.level[1::2], features), self.label[1::2]).mean())

    def _fit(self, known: Known) -> Bool[np.ndarray, " rows"]:
        fits = np.ones(len(self.label), bool)
        for feature, level in known:
            fits &= self.level[:, feature] == level
        return fits

    def _solved(self, known: Known) -> Node:
        belief, judged = self.belief(known), self._fit(known)[1::2]
        count = int(judged.sum())
        expected = 1 - float((belief**2).sum())  # of a label drawn from the belief
        lost = brier(np.tile(belief, (count, 1)), self.label[1::2][judged]).sum()
        stop = float((lost + self.prior * expected) / (count + self.prior))
        if len(known) == self.budget or count < FEWEST:
            return Node(belief, stop, {})
        taken = {feature for feature, _ in known}
        open_ = [feature for feature in range(self.level.shape[1]) if feature not in taken]
        return Node(belief, stop, {feature: self._after(known, feature, judged) for feature in open_})

    def _after(self, known: Known, feature: int, judged: Bool[np.ndarray, " rows"]) -> float:
        """The loss to come when this feature is asked for next."""
        shares = np.bincount(self.level[1::2][judged, feature]) / judged.sum()
        answers: Iterator[tuple[int, float]] = ((level, share) for level, share in enumerate(shares) if share > 0)
        return self.cost + sum(
            float(share) * self.node(tuple(sorted((*known, (feature, level))))).value for level, share in answers
        )


@dataclass(frozen=True)
class Evidence:
    """What an inquiry into a policy's decisions found, all on rows that it was not learned from.

    `loss`: the Brier score of its final beliefs; `unasked`: of the shares of decisions alone; `fixed`: of the one set of as
    many features as it may ask for that does best in every row alike. `withheld`: the inquiry's score where the features
    that it had asked for in a row are kept from it and it has to ask for others; `withheld_at_random`: where as many
    random ones are. `error`: the expected calibration error of its final beliefs. `randomised`: the score of an inquiry
    learned from decisions that were dealt out to other rows. `asked`: questions a row; `share`: by feature, how often it
    was asked for; `traces`: the questions of the first rows in order, by the name of the feature, with the final belief.
    """

    loss: float
    unasked: float
    fixed: float
    withheld: float
    withheld_at_random: float
    error: float
    randomised: float
    asked: float
    share: dict[str, float]
    traces: tuple[dict[str, Any], ...]

    @property
    def faithful(self) -> bool:
        """Whether beliefs rest on what was asked for more than on what was not."""
        return self.withheld - self.loss > self.withheld_at_random - self.loss

    @property
    def sanity_passed(self) -> bool:
        """Whether it knows more than the shares, and an inquiry into random decisions gains less than a tenth of that."""
        gain = self.unasked - self.loss
        return gain > 0 and self.unasked - self.randomised < 0.1 * gain

    def as_json(self) -> dict[str, Any]:
        return {**plain(self), "faithful": self.faithful, "sanity_passed": self.sanity_passed}


def seek_evidence(
    names: Sequence[str],
    observations: Float[np.ndarray, "rows features"],
    label: Int[np.ndarray, " rows"],
    choices: int,
    *,
    levels: int,
    budget: int,
    cost: float,
    held_out: float,
    seed: int,
    shown: int = 5,
) -> Evidence:
    """Learn an inquiry into these decisions from a part of the rows, and judge it on the `held_out` share of them.

    A budget above the number of features is cut to it. **Raises:** `DataError` where a part has fewer than two rows.
    """
    draws, count = np.random.default_rng(seed), len(names)
    order = draws.permutation(len(label))
    test, learn = np.split(order, [round(held_out * len(label))])
    if min(len(test), len(learn)) < 2:
        raise DataError(f"{len(label)} rows, {len(test)} of them held out; expected at least 2 in each part.")
    level = levelled(observations, cuts(observations[learn], levels))
    inquiry = Inquiry(level[learn], label[learn], choices, min(budget, count), cost)
    nothing = np.zeros((len(test), count), bool)
    asked = inquiry.run(level[test], nothing)
    chosen = np.stack([np.isin(np.arange(count), row) for row in asked.features])
    number = chosen.sum(axis=1)
    at_random = draws.random(chosen.shape).argsort(axis=1).argsort(axis=1) < number[:, None]
    dealt = Inquiry(level[learn], draws.permutation(label[learn]), choices, inquiry.budget, cost)

    def lost(belief: Float[np.ndarray, "rows choices"]) -> float:
        return float(brier(belief, label[test]).mean())

    return Evidence(
        loss=lost(asked.belief),
        unasked=lost(np.tile(inquiry.belief(()), (len(test), 1))),
        fixed=lost(inquiry.run_fixed(level[test], inquiry.fixed())),
        withheld=lost(inquiry.run(level[test], chosen).belief),
        withheld_at_random=lost(inquiry.run(level[test], at_random).belief),
        error=calibration_error(asked.belief.max(axis=1), asked.belief.argmax(axis=1) == label[test]),
        randomised=lost(dealt.run(level[test], nothing).belief),
        asked=float(number.mean()),
        share=dict(zip(names, map(float, chosen.mean(axis=0)), strict=True)),
        traces=tuple(
            {"asked": [names[feature] for feature in row if feature >= 0], "belief": belief}
            for row, belief in zip(asked.features[:shown], asked.belief[:shown], strict=True)
        ),
    )
