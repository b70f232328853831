"""The verdict of the quickstart, computed: which sentences hold is decided here by intervals, not by hand.

Two rules. A method is said to be better or worse than the data, or than the online agent, only where their 95%
intervals do not touch; a method's interval is then Student's, over its seeds, because the bootstrap's is too narrow
for five. Two methods are said to differ only where the 95% interval of their paired differences, seed by seed, leaves
out zero; otherwise they tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pilothouse.report.numerals import count, duration, interval, listed, number
from pilothouse.report.quickstart_data import Estimate, MethodResult, OnlineRun, QuickstartData
from pilothouse.statistics import Interval, mean_interval
from pilothouse.statistics.ties import surely_ahead


@dataclass(frozen=True)
class Verdict:
    """What came out in one sentence, and what qualifies it."""

    headline: str
    sentences: tuple[str, ...]


def verdict(data: QuickstartData) -> Verdict:
    """The verdict in full: offline methods against the data first, then learning online, ties, estimates."""
    methods = ranked(data.methods)
    sentences = [
        _online(data.online),
        *_ties(methods),
        *_against_online(methods, data.online),
        *_estimates(methods),
        *_diverged(methods),
    ]
    return Verdict(_headline(methods, data.dataset.mean), tuple(sentences))


def ranked(methods: Sequence[MethodResult]) -> list[MethodResult]:
    """By mean return, which is what the data's average can be compared with, best first; those without one last."""

    def height(method: MethodResult) -> float:
        value = float(method.mean.value)
        return value if np.isfinite(value) else -np.inf

    return sorted(methods, key=height, reverse=True)


def student(method: MethodResult) -> Estimate:
    """The mean over seeds with Student's 95% interval: what the verdict goes by."""
    returns = finite_returns(method)
    return Estimate(float(returns.mean()), mean_interval(returns)) if len(returns) else Estimate(float("nan"))


def finite_returns(method: MethodResult) -> Float[np.ndarray, " seed"]:
    returns = np.asarray(method.returns, np.float64)
    return returns[np.isfinite(returns)]


def compared(a: Estimate, b: Estimate) -> int:
    """1 where the whole interval of `a` lies above that of `b`, -1 where below, 0 where they touch or are not known.

    A `b` without interval is a number, such as a threshold.
    """
    if a.interval is None or not a.interval.known or (b.interval is not None and not b.interval.known):
        return 0
    other = b.interval or Interval(float(b.value), float(b.value))
    return 1 if a.interval.above(other.high) else -1 if a.interval.below(other.low) else 0


def tied_with_best(methods: Sequence[MethodResult]) -> list[MethodResult]:
    """Of methods ranked best first: the best, and those that cannot be told from it."""
    if not methods:
        return []
    best = methods[0]
    return [best, *(method for method in methods[1:] if not _ahead(best, method))]


def _headline(methods: Sequence[MethodResult], data_mean: Estimate) -> str:
    if not methods:
        return "No offline method was run."
    better = [method for method in methods if compared(student(method), data_mean) > 0]
    worse = [method for method in methods if compared(student(method), data_mean) < 0]
    average = f"the average episode in the data ({number(data_mean.value)})"
    if not better:
        rest = f"; {listed(_labels(worse))} did worse" if worse else ""
        return f"No offline method beat {average}{rest}."
    if len(better) == 1:
        method = better[0]
        others = [m for m in methods if m is not method]
        tail = f"; {listed(_labels(others))} did not" if others else ""
        reached = f"{method.label}, learned from recorded data alone, reached {number(method.mean.value)}"
        return f"{reached} and beat {average}{tail}{_higher_in_doubt(methods, better)}."
    names = listed(_labels(better))
    if len(better) == len(methods) > 2:
        names = f"All {len(better)} offline methods ({names})"
    highest = f"{better[0].label} came highest of these with {number(better[0].mean.value)}"
    return f"{names} beat {average}; {highest}{_higher_in_doubt(methods, better)}."


def _higher_in_doubt(methods: Sequence[MethodResult], better: Sequence[MethodResult]) -> str:
    """A mean that is higher than that of every method shown to be better, and yet not shown to be better itself."""
    best = methods[0]
    if best in better:
        return ""
    return f" ({best.label}'s mean of {number(best.mean.value)} is higher, but too uncertain to be called better)"


def _online(online: OnlineRun) -> str:
    mark = f"{float(online.factor):g} times what acting at random earns ({number(online.threshold)})"
    took = f"{online.environment_steps:,} environment steps ({duration(online.seconds)})"
    got = f"{_shown(online.final)} over {count(online.final_episodes, 'held-out episode')}"
    name = online.recipe.upper()
    if online.passed:
        return f"Online, {name} reached {got} after {took}: surely above {mark}."
    return f"Online, {name} ended at {got} after {took}: it is not shown to be above {mark}."


def _ties(methods: Sequence[MethodResult]) -> list[str]:
    if len(methods) < 2:
        return []
    best, tied = methods[0], tied_with_best(methods)
    if len(tied) == 1:
        return [f"{best.label} is ahead of {listed(_labels(methods[1:]))}, seed by seed."]
    seeds = min(len(finite_returns(method)) for method in tied)
    both = "both" if len(tied) == 2 else f"all {len(tied)}"
    told = f"{listed(_labels(tied))} tie: with {count(seeds, 'seed')} the differences between them may be chance"
    behind = [method for method in methods if method not in tied]
    return [f"{told}; {both} are ahead of {listed(_labels(behind))}." if _ahead_of(tied, behind) else f"{told}."]


def _ahead_of(tied: Sequence[MethodResult], behind: Sequence[MethodResult]) -> bool:
    return bool(behind) and all(_ahead(a, b) for a in tied for b in behind)


def _against_online(methods: Sequence[MethodResult], online: OnlineRun) -> list[str]:
    signs = {1: [], 0: [], -1: []}
    for method in methods:
        if student(method).known:
            signs[compared(student(method), online.final)].append(method.label)
    told = []
    if signs[1]:
        told.append(f"{listed(signs[1])} did better than the online agent")
    if signs[0]:
        told.append(f"{listed(signs[0])} cannot be told from the online agent")
    if signs[-1]:
        told.append(f"{listed(signs[-1])} fell short of the online agent")
    return [f"{'; '.join(told)}, which got {_shown(online.final)}."] if told else []


def _estimates(methods: Sequence[MethodResult]) -> list[str]:
    """Where the fitted-Q estimate was right, where it was wrong, and where it should not be believed."""
    run = [method for method in methods if method.fqe is not None]
    wrong, told = [method for method in run if disagrees(method)], []
    for method in wrong:
        estimate = method.fqe
        if estimate is not None and estimate.measured is not None:
            told.append(
                f"The fitted-Q estimate for {method.label} is wrong: it expected a discounted return of "
                f"{_shown(estimate.value)}, and {_shown(estimate.measured)} was measured."
            )
    judged = [m for m in run if m not in wrong and m.fqe is not None and m.fqe.measured is not None]
    if judged:
        told.append(f"The fitted-Q estimate agrees with what was measured for {listed(_labels(judged))}.")
    doubtful = [method for method in run if method.fqe is not None and not method.fqe.trusted]
    if doubtful:
        names = listed(_labels(doubtful))
        told.append(f"The estimate itself asks not to be trusted for {names}{_reasons(doubtful)}.")
    return told + _choice(run, tied_with_best(methods))


def _reasons(doubtful: Sequence[MethodResult]) -> str:
    """Why, in one sentence for all where it is the same for all."""
    given = {m.label: m.fqe.reason.rstrip(".") for m in doubtful if m.fqe is not None and m.fqe.reason}
    if not given:
        return ""
    if len(set(given.values())) == 1:
        return f": {next(iter(given.values()))}"
    return ": " + "; ".join(f"{reason} ({label})" for label, reason in given.items())


def disagrees(method: MethodResult) -> bool:
    """Whether the fitted-Q estimate and what was measured in the same unit have intervals that do not touch."""
    if method.fqe is None or method.fqe.measured is None:
        return False
    return compared(method.fqe.value, method.fqe.measured) != 0


def _choice(run: Sequence[MethodResult], best: Sequence[MethodResult]) -> list[str]:
    """Whether choosing by the estimate alone would have chosen one of the best."""
    known = [m for m in run if m.fqe is not None and np.isfinite(float(m.fqe.value.value))]
    if len(known) < 2:
        return []
    chosen = max(known, key=lambda m: float(m.fqe.value.value) if m.fqe is not None else -np.inf)
    if chosen in best:
        rank = "the best" if len(best) == 1 else "one of those that tie for the best"
        return [f"Choosing by the estimate alone, without the simulator, would have chosen {chosen.label}, {rank}."]
    return [
        f"Choosing by the estimate alone would have chosen {chosen.label}, "
        f"which the simulator puts behind {listed(_labels(best))}."
    ]


def _diverged(methods: Sequence[MethodResult]) -> list[str]:
    broken = [method for method in methods if len(method.diverged)]
    return [
        f"{count(len(method.diverged), 'seed')} of {method.label} diverged "
        f"({listed([str(seed) for seed in method.diverged])}) and counted with the last finite state."
        for method in broken
    ]


def _ahead(a: MethodResult, b: MethodResult) -> bool:
    """Whether the paired differences `a - b` lie wholly above zero; seeds that are not in both are left out."""
    first = dict(zip(a.seeds, np.asarray(a.returns, np.float64), strict=True))
    second = dict(zip(b.seeds, np.asarray(b.returns, np.float64), strict=True))
    shared = [s for s in first if s in second and np.isfinite(first[s]) and np.isfinite(second[s])]
    return surely_ahead([first[s] for s in shared], [second[s] for s in shared])


def _labels(methods: Sequence[MethodResult]) -> list[str]:
    return [method.label for method in methods]


def _shown(estimate: Estimate) -> str:
    """`9,212 (9,100 to 9,300)`: the verdict's intervals are all 95%, which the page says beside it."""
    if not estimate.known:
        return f"{number(estimate.value)} (no interval)"
    return f"{number(estimate.value)} ({interval(estimate.interval)})"
