"""Rules with exceptions, learned from what was tried and what came of it, and lifted to the kinds that things are of.

For each action the examples are the steps at which it was taken: right where it was rewarded, wrong where not. A rule
takes on condition after condition, whichever adds most to what it is worth: the information gained, once its exceptions
have shut out wrong examples, less the bits that name its facts. As a kind covers more right examples than any thing of
that kind, more is gained by it, unless it lets wrong ones in: so rules rise as far as the examples allow.

**Source:** Quinlan, "Learning logical definitions from relations", doi:10.1007/BF00117105 (FOIL), for the gain; Shakerin,
Salazar and Gupta, arXiv:1707.02693 (FOLD), for defaults first and exceptions after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pilothouse.core.plain import plain
from pilothouse.explain.watched import Watched
from pilothouse.policies.rules import Rule, RulesFirst, Vocabulary

MOST = 64
"""Rules of a policy at most; those that are trusted most stay."""


def gain(right: Any, wrong: Any, right_before: float, wrong_before: float) -> Any:
    """What a fact tells that lets so many right and wrong examples through, in bits, counted once for each right one.

    `right` and `wrong` are numbers or arrays of them; 0 where nothing right comes through.
    """
    before = np.log2(right_before / (right_before + wrong_before))
    return right * (np.log2(np.maximum(right, 1e-12) / np.maximum(right + wrong, 1e-12)) - before)


def induce(
    facts: Bool[np.ndarray, "rows facts"],
    action: Int[np.ndarray, " rows"],
    rewarded: Bool[np.ndarray, " rows"],
    names: Sequence[str],
    *,
    least: int = 2,
    longest: int = 3,
    trusted: float = 0.75,
) -> tuple[Rule, ...]:
    """Rules for every action, the most trusted first.

    A rule rests on at least `least` right examples, has at most `longest` conditions, and is kept if its `trust` is at
    least `trusted`.
    """
    found: list[Rule] = []
    seen, which = np.unique(facts, axis=0, return_inverse=True)
    for choice in np.unique(action):
        mine = action == choice
        right, wrong = (
            np.bincount(which.ravel()[mine & (rewarded == paid)], minlength=len(seen)).astype(float)
            for paid in (True, False)
        )
        left = right.copy()
        while left.sum() >= least:
            rule = _one_rule(int(choice), seen, left, wrong, names, longest)
            covered = fires(rule, seen, names) if rule else np.zeros(len(seen), bool)
            if rule is None or left[covered].sum() < least:
                break
            left[covered] = 0
            # Counted over all right examples, not only those that were left for it.
            rule = Rule(rule.action, rule.body, rule.unless, int(right[covered].sum()), int(wrong[covered].sum()))
            if rule.trust >= trusted:
                found.append(rule)
    return tuple(sorted(found, key=lambda rule: (-rule.trust, len(rule.body), rule.action, rule.body))[:MOST])


def _one_rule(
    action: int, facts: np.ndarray, right: np.ndarray, wrong: np.ndarray, names: Sequence[str], longest: int
) -> Rule | None:
    """The best rule for these examples, `right` and `wrong` of which have each row of facts; None where none is worth its
    words.

    What a rule is worth is its gain, with its exceptions, less the bits that name its facts. Among equals the last fact
    wins: kinds stand behind things.
    """
    body: list[int] = []
    unless: list[int] = []
    worth = -np.inf
    while len(body) < longest:
        tried = [(*_worth([*body, fact], facts, right, wrong), fact) for fact in range(len(names)) if fact not in body]
        best, exceptions, fact = max(tried, key=lambda one: (one[0], one[2]), default=(-np.inf, [], 0))
        if best <= worth:
            break
        worth, unless = best, exceptions
        body.append(fact)
    # Where nothing was ever wrong there is no information to gain, and the widest condition will do.
    if not body or (worth <= 0 and wrong.any()):
        return None
    return Rule(action, tuple(names[i] for i in body), tuple(names[i] for i in unless))


def _worth(body: list[int], facts: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> tuple[float, list[int]]:
    """The worth of a rule of these conditions, with the exceptions that are best for it."""
    inside = facts[:, body].all(axis=1)
    if not right[inside].any():
        return -np.inf, []
    unless = _exceptions(facts[inside], right[inside], wrong[inside])
    kept = inside & ~facts[:, unless].any(axis=1)
    gained = float(gain(right[kept].sum(), wrong[kept].sum(), right.sum(), wrong.sum()))
    return gained - np.log2(facts.shape[1]) * (len(body) + len(unless)), unless


def _exceptions(facts: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> list[int]:
    """Facts that shut wrong examples out, each no more of them than the default covers right ones.

    Each is the fact of the highest gain with right and wrong in each other's place, as long as it is worth its name.
    """
    found: list[int] = []
    cost, default = np.log2(facts.shape[1]), right.sum()
    r, w = right.copy(), wrong.copy()
    while r.any() and w.any():
        in_right, in_wrong = r @ facts, w @ facts
        gained = gain(in_wrong, in_right, w.sum(), r.sum())
        gained = np.where((in_wrong > in_right) & (in_wrong <= default), gained, -np.inf)
        best = len(gained) - 1 - int(np.argmax(gained[::-1]))
        if not gained[best] > cost:
            break
        found.append(best)
        r[facts[:, best]] = w[facts[:, best]] = 0
    shut_out = facts[:, found].any(axis=1)
    for one in tuple(found):  # what a later one shuts out as well need not be said
        others = [fact for fact in found if fact != one]
        if (facts[:, others].any(axis=1) == shut_out).all():
            found = others
    return found


def fires(rule: Rule, facts: Bool[np.ndarray, "rows facts"], names: Sequence[str]) -> Bool[np.ndarray, " rows"]:
    """Where a rule's conditions hold and none of its exceptions does."""
    place = {name: i for i, name in enumerate(names)}
    body, unless = ([place[fact] for fact in side] for side in (rule.body, rule.unless))
    return np.asarray(facts[:, body].all(axis=1) & ~facts[:, unless].any(axis=1))


@dataclass(frozen=True)
class Agreement:
    """What came of doing as the rules say, and of doing otherwise where they say something.

    `right`: of rows at which a rule fires and its action was taken, the share rewarded; `otherwise`: of those at which
    another was; 0 where there are no such rows. `rows`: how many of the former; `covered`: the share of all rows at which a
    rule fires.
    """

    right: float
    otherwise: float
    rows: int
    covered: float

    @property
    def worth(self) -> float:
        """How much more often doing as the rules say is rewarded: 1 for rules that know, 0 for those that know nothing."""
        return self.right - self.otherwise


def agreement(
    rules: Sequence[Rule],
    vocabulary: Vocabulary,
    obs: Float[np.ndarray, "rows features"],
    action: Int[np.ndarray, " rows"],
    rewarded: Bool[np.ndarray, " rows"],
) -> Agreement:
    """The rules held against what was done and what it earned; the first rule that fires speaks."""
    facts = vocabulary.facts(obs)
    said = np.full(len(facts), -1)
    for rule in reversed(rules):
        said[fires(rule, facts, vocabulary.names)] = rule.action
    same, other = said == action, (said != action) & (said >= 0)
    right, otherwise = (float(rewarded[which].mean()) if which.any() else 0.0 for which in (same, other))
    return Agreement(right, otherwise, int(same.sum()), float((said >= 0).mean()))


@dataclass(frozen=True)
class RuleStudy:
    """Rules read off what was tried, and how far to trust them.

    `fidelity`: agreement with episodes that they were not learned from; `shuffled`: that of rules learned from rewards in
    random order, which must know nothing: `sanity_passed` if their worth lies below by 0.05.
    `policy` acts by the rules first and as it was watched otherwise.
    """

    rules: tuple[Rule, ...]
    in_words: tuple[str, ...]
    fidelity: Agreement
    shuffled: Agreement
    sanity_passed: bool
    vocabulary: Vocabulary = field(repr=False)
    policy: RulesFirst = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return plain(self, "vocabulary", "policy")


def study_rules(
    policy: Any,
    seen: Watched,
    vocabulary: Vocabulary,
    *,
    actions: Sequence[str] | None = None,
    least: int = 2,
    longest: int = 3,
    trusted: float = 0.75,
    seed: int = 0,
) -> RuleStudy:
    """Rules of watched steps: an action is right where it is rewarded more than nothing.

    A quarter of the episodes measures what the others teach; the rules returned are of all of them.

    **Raises:** `SettingError` with fewer than two episodes.
    """

    def learned(rows: Watched, rewarded: np.ndarray) -> tuple[Rule, ...]:
        facts = vocabulary.facts(rows.obs)
        sizes = {"least": least, "longest": longest, "trusted": trusted}
        return induce(facts, np.asarray(rows.action), rewarded, vocabulary.names, **sizes)

    known, unseen = seen.split(0.25, seed)
    paid, test = known.reward > 0, (unseen.obs, np.asarray(unseen.action), unseen.reward > 0)
    fidelity = agreement(learned(known, paid), vocabulary, *test)
    mixed = np.random.default_rng(seed).permutation(paid)
    shuffled = agreement(learned(known, mixed), vocabulary, *test)
    rules = learned(seen, seen.reward > 0)
    return RuleStudy(
        rules=rules,
        in_words=tuple(rule.in_words(actions) for rule in rules),
        fidelity=fidelity,
        shuffled=shuffled,
        sanity_passed=bool(rules and fidelity.worth > shuffled.worth + 0.05),
        vocabulary=vocabulary,
        policy=RulesFirst.of(rules, vocabulary, policy, MOST),
    )
