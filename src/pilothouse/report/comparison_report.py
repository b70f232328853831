"""The report of `pilothouse compare`: the verdict first, then what it rests on, then how to do it again."""

from functools import partial
from pathlib import Path

import numpy as np

from pilothouse.evaluate.comparison import Comparison, Outcome
from pilothouse.evaluate.recommendation import Candidate
from pilothouse.report.charts import (
    Bar,
    Curve,
    IntervalRow,
    Reference,
    SeedRow,
    bars,
    intervals,
    learning_curves,
    seed_dots,
)
from pilothouse.report.numerals import UNKNOWN, count, duration, interval, listed, number
from pilothouse.report.page import (
    Block,
    Bullets,
    Callout,
    Code,
    Fact,
    Facts,
    Figure,
    Folded,
    Notice,
    Page,
    Pairs,
    Prose,
    Section,
    Table,
    write_page,
)
from pilothouse.train.run import versions


def write_comparison_report(path: Path, found: Comparison) -> Path:
    """Writes the report as one HTML file and returns its absolute path; raises `OutputError` where it cannot."""
    return write_page(comparison_page(found), Path(path))


def comparison_page(found: Comparison) -> Page:
    """The report as a page, before it is written."""
    methods = listed([outcome.recipe for outcome in found.outcomes])
    where = f"measured in {found.place}" if found.place else "judged from the data alone"
    lead = (
        f"{methods} learned from `{found.source.name}`, {count(found.plan.seeds, 'seed')} each, "
        f"{found.steps:,} updates a seed, and were {where}."
    )
    sections = [Section("Verdict", _verdict(found))]
    if found.place:
        sections.append(Section("Measured returns", _returns(found)))
    if any(outcome.tuned is not None for outcome in found.outcomes):
        sections.append(Section("What tuning is worth", _tuning(found)))
    sections += [
        Section("Estimates from the data alone", _estimates(found)),
        Section("The dataset", _dataset(found)),
        Section("What it cost", _cost(found)),
        Section("Run it again", _again(found)),
    ]
    return Page(f"Which method for {found.source.name}?", "Pilothouse compare", lead, sections)


def _ranked(found: Comparison) -> list[Outcome]:
    """Best first, by what the recommendation goes by; those that could not be ranked last."""
    order = {name: place for place, name in enumerate(found.recommendation.order)}
    return sorted(found.outcomes, key=lambda outcome: order.get(outcome.recipe, len(order)))


def _verdict(found: Comparison) -> list[Block]:
    answer = found.recommendation
    facts = [Fact("Cost", duration(found.seconds), "of learning, measuring and estimating")]
    if answer.confidence is not None and len(answer.tie) < len(answer.order):  # the best is among all, for sure
        of = "that one of those tied is best" if answer.tie else "that it is the best of these"
        facts.insert(0, Fact("Confidence", f"{answer.confidence:.0%}", of))
    data = found.source.dataset.returns
    facts.append(
        Fact("Average episode in the data", number(float(np.mean(data))), f"best {number(float(np.max(data)))}")
    )
    how = (
        "Methods are ranked by "
        + {
            "returns": "the interquartile mean of measured returns (after tuning: by the mean score of the tuning trials)",
            "estimates": "the mean estimate of fitted Q, those only whose estimates passed every check for every seed",
            "nothing": "nothing, because nothing here may be trusted",
        }[answer.basis]
        + ". Two methods differ only where the 95% interval of their differences, seed by seed, leaves out zero; "
        "otherwise they tie. Confidence is the share of bootstrap resamples of seeds and episodes in which the "
        "recommended method, or one of those that tie, comes out highest."
    )
    return [Callout(answer.sentence, _qualified(found)), Facts(facts), Folded("How this was decided", [Prose(how)])]


def _qualified(found: Comparison) -> list[str]:
    """What the reader has to know beside the answer."""
    said = []
    answer = found.recommendation
    if answer.tie:
        costs = {outcome.recipe: sum(outcome.seconds.values()) for outcome in found.outcomes}
        cheapest = min(answer.tie, key=lambda name: costs[name])
        said.append(f"Of those that tie, {cheapest} cost least ({duration(costs[cheapest])}).")
    chosen = [o for o in found.outcomes if o.recipe in (answer.recipe, *answer.tie) and o.returns is not None]
    mean = float(np.mean(found.source.dataset.returns))
    below = [o.recipe for o in chosen if o.candidate().interval().below(mean)]
    if below:
        said.append(f"{listed(below)} returned less than the average episode in the data: copying the data did better.")
    for outcome in found.outcomes:
        bad = [str(outcome.seeds[i]) for i, lane in enumerate(outcome.shown) if outcome.diverged[lane]]
        if bad:
            seeds = f"{count(len(bad), 'seed')} of {outcome.recipe} diverged ({listed(bad)})"
            said.append(f"{seeds} and counted with the last finite state.")
    tuned = [outcome for outcome in found.outcomes if outcome.tuned is not None]
    if tuned and tuned[0].tuned is not None:
        said.append(f"Each method was tuned on {count(tuned[0].tuned.episodes, 'episode')} in {found.place}.")
    elif any(len(outcome.tried) > 1 for outcome in found.outcomes):
        said.append("Settings were chosen by the highest trusted estimate, without an environment.")
    untrusted = [outcome.recipe for outcome in found.outcomes if not outcome.candidate().trusted]
    if untrusted and answer.basis == "estimates":
        said.append(f"{listed(untrusted)} left out: the estimate is not to be trusted.")
    return said


def _returns(found: Comparison) -> list[Block]:
    methods = [outcome for outcome in _ranked(found) if outcome.returns is not None]
    rows = [_interval_row(_measured(outcome)) for outcome in methods]
    mean = Reference("data", float(np.mean(found.source.dataset.returns)))
    each = f"Each policy was measured over {count(found.plan.episodes, 'held-out episode')} in {found.place}."
    forest = Figure(
        partial(intervals, rows=rows, references=[mean], x_label="return of an episode", describe="Measured returns"),
        "The mark is the interquartile mean over seeds and episodes, the line its 95% stratified bootstrap interval. "
        "Dashed: the average episode in the data.",
        "Measured return.",
    )
    dots = [
        SeedRow(o.recipe, o.returns[list(o.shown)].mean(axis=1), list(o.seeds))
        for o in methods
        if o.returns is not None
    ]
    strip = Figure(
        partial(
            seed_dots, rows=dots, references=[mean], x_label="return of an episode", describe="Return of each seed"
        ),
        "One mark per seed: its mean return. The bar is their interquartile mean.",
        "Seeds apart.",
    )
    return [Prose(each), forest, _table(found, methods), strip, *_improvement(found, methods)]


def _measured(outcome: Outcome) -> Candidate:
    candidate = outcome.candidate()
    return Candidate(outcome.recipe, returns=candidate.returns)


def _estimated(outcome: Outcome) -> Candidate:
    candidate = outcome.candidate()
    return Candidate(outcome.recipe, values=candidate.values, doubts=candidate.doubts)


def _interval_row(candidate: Candidate) -> IntervalRow:
    known = candidate.interval()
    low, high = (known.low, known.high) if known.known else (None, None)
    array = candidate.returns if candidate.returns is not None else candidate.values
    points = () if array is None else array.mean(axis=1)
    return IntervalRow(candidate.recipe, candidate.score, low, high, points=points)


def _table(found: Comparison, methods: list[Outcome]) -> Table:
    best = {found.recommendation.recipe, *found.recommendation.tie}
    rows = []
    for outcome in methods:
        measured = _measured(outcome)
        told = f"{number(measured.score)}\n{interval(measured.interval())}"
        settings = ", ".join(f"{name} {value:g}" for name, value in outcome.chosen.items()) or "as they stand"
        spread = (
            UNKNOWN
            if outcome.returns is None
            else number(float(outcome.returns[list(outcome.shown)].mean(axis=1).min()))
        )
        rows.append((outcome.recipe, told, spread, settings, duration(sum(outcome.seconds.values()))))
    caption = "Interquartile mean return with its 95% interval below; the worst seed's mean; settings; what it cost."
    bold = [place for place, outcome in enumerate(methods) if outcome.recipe in best]
    return Table(caption, ("Method", "Return", "Worst seed", "Settings", "Cost"), rows, best=bold, words=(3,))


def _improvement(found: Comparison, methods: list[Outcome]) -> list[Block]:
    if len(methods) < 2:
        return []
    chances = found.improvement()
    names = [outcome.recipe for outcome in methods]
    rows = [(a, *(UNKNOWN if a == b else f"{chances[a][b]:.0%}" for b in names)) for a in names]
    caption = "Probability of improvement: how often a run of the row's method returned more than one of the column's."
    return [Table(caption, ("", *names), rows)]


def _tuning(found: Comparison) -> list[Block]:
    curves, rows = [], []
    for outcome in _ranked(found):
        tuned = outcome.tuned
        if tuned is None:
            continue
        steps = np.arange(1, tuned.episodes + 1)
        low, high = np.quantile(tuned.scores, [0.025, 0.975], axis=0)
        curves.append(Curve(outcome.recipe, steps, tuned.curve, low, high, lines=()))
        settings = ", ".join(f"{name} {value:g}" for name, value in outcome.chosen.items()) or "a single one"
        policies = f"{len(outcome.tried)} × {len(outcome.seeds)}"
        rows.append((outcome.recipe, f"{number(tuned.score)}\n{interval(tuned.interval())}", policies, settings))
    figure = Figure(
        partial(
            learning_curves,
            curves,
            references=[],
            x_label="episodes tried online",
            y_label="return of the policy taken",
            describe="What tuning is worth",
        ),
        "A bandit tries the trained policies one episode at a time and takes the one with the highest mean so far. Bold: "
        "the mean return of what it took; band: where 95% of such trials end.",
        "Return by episodes of tuning.",
    )
    caption = "At the end of the budget: mean return with the 95% of trials below; settings × seeds; most often taken."
    return [figure, Table(caption, ("Method", "Return", "Policies", "Settings taken"), rows, words=(3,))]


def _estimates(found: Comparison) -> list[Block]:
    methods = _ranked(found)
    blocks: list[Block] = []
    rows = []
    for outcome in methods:
        estimate = _estimated(outcome)
        shown = list(outcome.shown)
        outside = float(outcome.estimate.departure.outside[shown].mean())
        told = f"{number(estimate.score)}\n{interval(estimate.interval()) if np.isfinite(estimate.score) else UNKNOWN}"
        beside = (UNKNOWN if outcome.returns is None else number(_measured(outcome).score),) if found.place else ()
        error = number(float(np.nanmean(outcome.estimate.error[shown])))
        rows.append((outcome.recipe, told, *beside, error, f"{outside:.0%}", "yes" if estimate.trusted else "no"))
    measured = ("Measured return",) if found.place else ()
    columns = ("Method", "Estimate", *measured, "Error held out", "Leaves the data", "Trusted")
    caption = (
        "Fitted Q: discounted return from the first states of held-out episodes, with its 95% interval over seeds and "
        "states; its temporal-difference error on held-out steps, in spreads of the data's returns; the share of "
        "states in which the policy acts farther from the data than 95% of the data's own actions do."
    )
    blocks.append(Table(caption, columns, rows))
    drawn = [_interval_row(_estimated(outcome)) for outcome in methods if np.isfinite(_estimated(outcome).score)]
    if drawn:
        reference = [Reference("held-out episodes", found.reference)]
        figure = partial(
            intervals, rows=drawn, references=reference, x_label="discounted return", describe="Estimates by fitted Q"
        )
        note = "The mark is the mean over seeds and start states, small dots are seeds. Dashed: what the held-out episodes earned, cut where their recording ends."
        blocks.append(Figure(figure, note, "Estimates."))
    doubts = [f"`{outcome.recipe}`: {_estimated(outcome).doubt}." for outcome in methods if _estimated(outcome).doubt]
    if doubts:
        blocks += [Prose("Why an estimate is not to be trusted:"), Bullets(doubts)]
    agreement = found.rank_agreement()
    if agreement is not None:
        blocks.append(
            Prose(
                f"Over all policies the estimates and the measured returns have a rank correlation of {agreement:.2f} "
                "(1: the same order, 0: none, −1: reversed)."
            )
        )
    return blocks


def _dataset(found: Comparison) -> list[Block]:
    about = found.diagnosis
    facts = [
        Fact("Transitions", f"{about.transitions:,}"),
        Fact("Episodes", f"{about.episodes:,}"),
        Fact(
            "Return of an episode",
            number(about.returns.mean),
            f"{number(about.returns.low)} to {number(about.returns.high)}",
        ),
    ]
    blocks: list[Block] = [Facts(facts)]
    if about.suits:
        blocks += [Prose("What is likely to suit these data:")]
        blocks.append(Bullets([f"{family}: {reason}" for family, reason in about.suits]))
    worth = [finding for finding in about.findings if finding.level != "sound"]
    blocks.append(Bullets([finding.sentence for finding in worth]) if worth else Notice("No fault was found in them."))
    blocks.append(Pairs([("Fingerprint", found.source.dataset.fingerprint)]))
    return blocks


def _cost(found: Comparison) -> list[Block]:
    rows = [
        Bar(outcome.recipe, sum(outcome.seconds.values()), duration(sum(outcome.seconds.values())))
        for outcome in found.outcomes
    ]
    parts: dict[str, float] = {}
    for outcome in found.outcomes:
        for name, seconds in outcome.seconds.items():
            parts[name] = parts.get(name, 0.0) + seconds
    split = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items())
    blocks: list[Block] = [
        Figure(
            partial(bars, rows, describe="Seconds that each method took", x_label="seconds"),
            f"{duration(found.seconds)} in all: {split}; compiling is part of it.",
            "Where the time went.",
        )
    ]
    if found.plan.budget is not None:
        bought = f"A budget of {duration(found.plan.budget)} bought {found.steps:,} updates of each seed of each method"
        blocks.append(Prose(f"{bought}, and {found.plan.fitted_updates:,} of fitted Q for each policy."))
    return blocks


def _again(found: Comparison) -> list[Block]:
    lead = "The same versions on the same machine type give the same numbers."
    settings = [
        (
            outcome.recipe,
            ", ".join(f"{n}={v:g}" if isinstance(v, float) else f"{n}={v}" for n, v in outcome.settings.items()),
        )
        for outcome in found.outcomes
    ]
    blocks: list[Block] = [Prose(lead)]
    if found.command:
        blocks.append(Code(found.command))
    return [*blocks, Folded("Settings and versions", [Pairs(settings), Pairs(list(versions().items()))])]
