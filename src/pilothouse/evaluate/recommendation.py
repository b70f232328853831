"""Which method to trust: from measured returns where there are any, else from estimates that deserve trust.

Two methods differ only where the 95% interval of their paired differences, seed by seed, leaves out zero; after tuning,
where 95% of the pairs of tuning trials come out the same way. Otherwise they tie, and a tie is called a tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from pilothouse.evaluate.bandit_tuning import Tuned
from pilothouse.statistics import interquartile_mean, stratified_bootstrap_interval
from pilothouse.statistics.crossed import crossed_bootstrap_interval, crossed_means, times
from pilothouse.statistics.interval import Interval, unknown_interval
from pilothouse.statistics.ties import share_on_top, surely_ahead, tied_with

RESAMPLES = 2_000


@dataclass(frozen=True)
class Candidate:
    """One method as it is to be judged.

    - `returns`: `[seed, episode]`, measured; None without an environment. `tuned`: where it was tuned there.
    - `values`: `[seed, start]`, estimated discounted returns; None where nothing was estimated.
    - `doubts`: for each seed why its estimate is not trusted; empty texts where it is.
    - `broken`: why the method is out of the race (every seed diverged), or empty.
    """

    recipe: str
    returns: Float[np.ndarray, "seed episode"] | None = None
    tuned: Tuned | None = None
    values: Float[np.ndarray, "seed start"] | None = None
    doubts: Sequence[str] = ()
    broken: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the estimates of all seeds passed all checks."""
        return self.values is not None and not any(self.doubts) and bool(np.isfinite(self.values).all())

    @property
    def doubt(self) -> str:
        """The commonest reason for doubt, with how many seeds it holds for where not for all."""
        given = [doubt for doubt in self.doubts if doubt]
        if not given:
            return ""
        seeds = f" ({len(given)} of {len(self.doubts)} seeds)" if len(given) < len(self.doubts) else ""
        return max(given, key=given.count) + seeds

    @property
    def score(self) -> float:
        """What it is ranked by among its like: the tuned score, the interquartile mean, or the mean estimate."""
        if self.tuned is not None:
            return self.tuned.score
        if self.returns is not None:
            return float(interquartile_mean(self.returns))
        return float(self.values.mean()) if self.values is not None else float("nan")

    def interval(self) -> Interval:
        """95%, of `score`."""
        if self.tuned is not None:
            return self.tuned.interval()
        if self.returns is not None:
            return stratified_bootstrap_interval(self.returns, interquartile_mean, resamples=RESAMPLES)
        if self.values is None or not np.isfinite(self.values).all():
            return unknown_interval(0.95)
        return crossed_bootstrap_interval(self.values, resamples=RESAMPLES)


@dataclass(frozen=True)
class Recommendation:
    """- `recipe`: the method to trust; None in a tie, and where none can be recommended.
    - `tie`: those that cannot be told apart, best first; empty without a tie.
    - `sentence`: the answer. `confidence`: in what share of bootstrap resamples the recommended method (or one of those
      tied) comes out on top, in [0, 1]; None where none is recommended.
    - `basis`: `returns`, `estimates` or `nothing`; `order`: all that could be ranked, best first.
    """

    recipe: str | None
    tie: tuple[str, ...]
    sentence: str
    confidence: float | None
    basis: str
    order: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        return {
            "recipe": self.recipe,
            "tie": list(self.tie),
            "sentence": self.sentence,
            "confidence": self.confidence,
            "basis": self.basis,
        }


def recommend(candidates: Sequence[Candidate], *, place: str = "", known_place: str = "") -> Recommendation:
    """The answer. `place` names the environment that measured, if any; `known_place` the one that the data came from."""
    whole = [candidate for candidate in candidates if not candidate.broken]
    measured = [candidate for candidate in whole if candidate.returns is not None]
    if measured:
        return _among(measured, "returns", f"in {place}" if place else "measured")
    if not whole:
        reasons = "; ".join(f"{c.recipe}: {c.broken}" for c in candidates)
        said = f"None: no method learned anything ({reasons}). A smaller learning rate (`--set lr=1e-4`) may settle it."
        return Recommendation(None, (), said, None, "nothing")
    trusted = [candidate for candidate in whole if candidate.trusted]
    if trusted:
        return _among(trusted, "estimates", "by fitted Q on held-out episodes")
    return Recommendation(None, (), _none(whole, known_place), None, "nothing")


def _none(candidates: Sequence[Candidate], known_place: str) -> str:
    reasons = "; ".join(f"{c.recipe}: {c.doubt or 'nothing was estimated'}" for c in candidates)
    env = f"--env {known_place}" if known_place else "--env ID"
    return (
        f"None: there was no environment to measure in, and no estimate from the data can be trusted ({reasons}). What "
        f"would settle it: a few episodes of each policy ({env}), or data that also hold what these policies do, from "
        "a behaviour that varies its actions."
    )


def _among(candidates: Sequence[Candidate], basis: str, how: str) -> Recommendation:
    scores = [candidate.score for candidate in candidates]
    best = int(np.argmax(scores))
    tied = tied_with(best, len(candidates), lambda a, b: _ahead(candidates[a], candidates[b]))
    first, *others = tied
    others.sort(key=lambda place: -scores[place])
    tied = [first, *others]
    order = tuple(candidates[i].recipe for i in np.argsort(-np.asarray(scores), kind="stable"))
    names = tuple(candidates[i].recipe for i in tied)
    confidence = _share_on_top(candidates, tied)
    if len(tied) > 1:
        return Recommendation(None, names, _tie(candidates, tied, basis, how), confidence, basis, order)
    return Recommendation(names[0], (), _winner(candidates, best, basis, how), confidence, basis, order)


def _seeds(candidate: Candidate) -> int:
    array = candidate.returns if candidate.returns is not None else candidate.values
    return 0 if array is None else len(array)


def _quantity(basis: str, candidate: Candidate) -> str:
    if candidate.tuned is not None:
        return f"tuned on {_counted(candidate.tuned.episodes, 'episode')}, it returns"
    return "its interquartile mean return is" if basis == "returns" else "its estimated discounted return is"


def _winner(candidates: Sequence[Candidate], best: int, basis: str, how: str) -> str:
    winner = candidates[best]
    others = [c.recipe for i, c in enumerate(candidates) if i != best]
    ahead = f", ahead of {_listed(others)}" if others else ""
    low_high = winner.interval()
    shown = f" (95% interval {low_high.low:.4g} to {low_high.high:.4g})" if low_high.known else ""
    alone = "" if others else " It is the only one that could be judged."
    seeds = _counted(_seeds(winner), "seed")
    return (
        f"Use {winner.recipe}: {how}, {_quantity(basis, winner)} {winner.score:.4g}{shown} over {seeds}{ahead}.{alone}"
    )


def _tie(candidates: Sequence[Candidate], tied: Sequence[int], basis: str, how: str) -> str:
    names = [f"{candidates[i].recipe} ({candidates[i].score:.4g})" for i in tied]
    seeds = min(_seeds(candidates[i]) for i in tied)
    behind = [c.recipe for i, c in enumerate(candidates) if i not in tied]
    kind = "returns" if basis == "returns" else "estimates"
    first = candidates[tied[0]].tuned
    how = f"{how}, tuned on {_counted(first.episodes, 'episode')}" if first is not None else how
    rest = f"; {_listed(behind)} {'is' if len(behind) == 1 else 'are'} behind" if behind else ""
    enough = "one seed cannot tell them apart" if seeds < 2 else f"{seeds} seeds do not tell their {kind} apart"
    return f"{_listed(names)} tie: {how}, {enough}{rest}."


def _ahead(first: Candidate, second: Candidate) -> bool:
    if first.tuned is not None and second.tuned is not None:
        return _tuned_ahead(first.tuned, second.tuned)
    a, b = (c.returns if c.returns is not None else c.values for c in (first, second))
    if a is None or b is None:
        return False
    shared = min(len(a), len(b))
    return surely_ahead(a[:shared].mean(axis=1), b[:shared].mean(axis=1))


def _tuned_ahead(first: Tuned, second: Tuned) -> bool:
    """Whether in 95% of pairs of trials the first ends higher; a pair that ends alike counts against it."""
    ends, others = first.scores[:, -1], np.sort(second.scores[:, -1])
    below = np.searchsorted(others, ends, side="left").sum()
    return bool(below >= 0.95 * len(ends) * len(others))


def _share_on_top(candidates: Sequence[Candidate], chosen: Sequence[int]) -> float:
    if len(chosen) == len(candidates):
        return 1.0
    if all(c.tuned is not None for c in candidates):
        ends = np.stack([c.tuned.scores[:, -1] for c in candidates if c.tuned is not None], axis=1)
        return float(np.isin(ends.argmax(axis=1), list(chosen)).mean())
    measured = [c.returns for c in candidates if c.returns is not None]
    if len(measured) == len(candidates):
        return share_on_top(measured, chosen, resamples=RESAMPLES)
    generator = np.random.default_rng(0)
    starts = times(next(c.values.shape[1] for c in candidates if c.values is not None), RESAMPLES, generator)
    means = [crossed_means(c.values, RESAMPLES, generator, starts) for c in candidates if c.values is not None]
    return float(np.isin(np.stack(means, axis=1).argmax(axis=1), list(chosen)).mean())


def _counted(value: int, one: str) -> str:
    return f"{value} {one}" if value == 1 else f"{value} {one}s"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
