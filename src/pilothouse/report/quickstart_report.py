"""The report of `pilothouse quickstart`: the verdict first, then what it rests on, then how to do it again."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pilothouse.report.charts import (
    Bar,
    Curve,
    Group,
    IntervalRow,
    Reference,
    SeedRow,
    bars,
    curve_of_seeds,
    histogram,
    intervals,
    learning_curves,
    seed_dots,
)
from pilothouse.report.numerals import UNKNOWN, count, duration, interval, number, si
from pilothouse.report.page import (
    Block,
    Bullets,
    Callout,
    Code,
    Fact,
    Facts,
    Figure,
    Film,
    Folded,
    Notice,
    Page,
    Pairs,
    Prose,
    Section,
    Table,
    write_page,
)
from pilothouse.report.quickstart_data import Estimate, MethodResult, QuickstartData
from pilothouse.report.verdict import compared, disagrees, ranked, student, tied_with_best, verdict
from pilothouse.report.video import Video, encode_video, no_video
from pilothouse.statistics import mean_interval


def write_quickstart_report(path: Path, data: QuickstartData) -> Path:
    """Writes the report as one HTML file and returns its absolute path; raises `OutputError` where it cannot."""
    return write_page(quickstart_page(data), Path(path))


def quickstart_page(data: QuickstartData) -> Page:
    """The report as a page, before it is written."""
    sections = [
        Section("Verdict", _verdict(data)),
        Section("Methods compared", _comparison(data)),
        Section("Learning offline", _offline(data)),
        Section("Learning online", _online(data)),
        Section("Seed by seed", _seeds(data)),
        Section("The dataset", _dataset(data)),
        Section("One episode", [_film(data)]),
        Section("Run it again", _again(data)),
    ]
    methods = [method.label for method in data.methods]
    lead = (
        f"{data.online.recipe.upper()} learned in the simulator; its experience was recorded as a dataset; "
        f"{count(len(methods), 'method')} learned from that dataset alone, and all were measured on held-out episodes."
    )
    return Page(data.environment, "Pilothouse quickstart", lead, sections)


def _verdict(data: QuickstartData) -> list[Block]:
    found = verdict(data)
    methods = ranked(data.methods)
    facts = [
        Fact("Acting at random", number(data.online.random.value), _ninety_five(data.online.random)),
        Fact("Average in the data", number(data.dataset.mean.value), _ninety_five(data.dataset.mean)),
        Fact(f"{data.online.recipe.upper()}, online", number(data.online.final.value), _ninety_five(data.online.final)),
    ]
    if methods:
        name = f"{methods[0].label}, best offline"
        facts.append(Fact(name, number(methods[0].mean.value), _ninety_five(methods[0].mean)))
    how = (
        "Figures are undiscounted returns of an episode; brackets and ranges are 95% intervals. A method counts as "
        "better or worse than the data or the online agent only where their intervals do not touch, taking Student's "
        "interval over its seeds; two methods differ only where the interval of their differences, seed by seed, "
        "leaves out zero."
    )
    return [
        Callout(found.headline, found.sentences),
        Facts(facts),
        Folded("How these sentences were decided", [Prose(how)]),
    ]


def _ninety_five(estimate: Estimate) -> str:
    return interval(estimate.interval) if estimate.known else "interval not known"


def _references(data: QuickstartData) -> list[Reference]:
    """What every method is to be compared with."""
    names = (
        ("random", data.online.random),
        ("data", data.dataset.mean),
        (f"{data.online.recipe.upper()} online", data.online.final),
    )
    return [_reference(name, estimate) for name, estimate in names]


def _reference(name: str, estimate: Estimate) -> Reference:
    low, high = (estimate.interval.low, estimate.interval.high) if estimate.interval else (None, None)
    return Reference(name, estimate.value, low, high)


def _comparison(data: QuickstartData) -> list[Block]:
    methods = ranked(data.methods)
    if not methods:
        return [Notice("No offline method was run.")]
    rows = [_interval_row(method) for method in methods]
    seeds = max(len(method.seeds) for method in methods)
    each = (
        f"Each method learned with {count(seeds, 'seed')} in one compiled program; each seed was then measured over "
        f"{count(data.held_out_episodes, 'held-out episode')}."
    )
    forest = Figure(
        partial(
            intervals,
            rows=rows,
            references=_references(data),
            x_label="return of an episode",
            describe="Return of each offline method",
        ),
        "The mark is the mean over seeds and episodes, the thick line its 95% bootstrap interval, the thin line Student's "
        "95% interval over seeds, by which the verdict goes. Dashed: what to compare with.",
        "Measured return.",
    )
    return [Prose(each), forest, _table(data, methods), *_estimates(methods)]


def _interval_row(method: MethodResult) -> IntervalRow:
    inner, outer = method.mean.interval, student(method).interval
    return IntervalRow(
        method.label,
        method.mean.value,
        inner.low if inner else None,
        inner.high if inner else None,
        outer.low if outer else None,
        outer.high if outer else None,
    )


def _table(data: QuickstartData, methods: Sequence[MethodResult]) -> Table:
    columns = ("Method", "Mean", "IQM", "Against the data", "Seconds", "Updates/s")
    signs = {1: "better", 0: "not told apart", -1: "worse"}
    rows = [
        (
            method.label,
            _two_lines(method.mean),
            _two_lines(method.iqm),
            signs[compared(student(method), data.dataset.mean)],
            f"{float(method.seconds):.1f}" if np.isfinite(float(method.seconds)) else UNKNOWN,
            si(method.updates_per_second),
        )
        for method in methods
    ]
    tied = tied_with_best(methods)
    best = [place for place, method in enumerate(methods) if method in tied and len(tied) < len(methods)]
    caption = (
        "Return on held-out episodes, with 95% stratified bootstrap intervals over seeds below. IQM: interquartile "
        "mean, the mean of the middle half of all episodes. Seconds and updates are those of all seeds together, "
        "without compiling." + (" Bold: the best, and those that cannot be told from it." if best else "")
    )
    return Table(caption, columns, rows, best)


def _two_lines(estimate: Estimate | None) -> str:
    return UNKNOWN if estimate is None else f"{number(estimate.value)}\n{_ninety_five(estimate)}"


def _estimates(methods: Sequence[MethodResult]) -> list[Block]:
    """The fitted-Q estimates beside what was measured in the same, discounted, unit."""
    run = [(method, method.fqe) for method in methods if method.fqe is not None]
    if not run:
        return [Notice("No off-policy estimate was made.")]
    measured = any(fqe.measured is not None for _, fqe in run)
    rows = []
    for method, fqe in run:
        agrees = UNKNOWN if fqe.measured is None else "no" if disagrees(method) else "yes"
        beside = (_two_lines(fqe.measured), agrees) if measured else ()
        rows.append((method.label, _two_lines(fqe.value), *beside, "yes" if fqe.trusted else "no"))
    columns = ("Method", "Expected", *(("Measured", "Agree") if measured else ()), "Trusts itself")
    caption = "Fitted-Q evaluation: the discounted return that the data alone let one expect, with its 95% interval" + (
        ", beside the discounted return that was measured. They agree where their intervals touch."
        if measured
        else ". It was not measured in this unit, so it can be compared between methods only."
    )
    doubts = [f"{method.label}: {fqe.reason}." for method, fqe in run if not fqe.trusted and fqe.reason]
    return [Table(caption, columns, rows), *([Bullets(doubts)] if doubts else [])]


def _online(data: QuickstartData) -> list[Block]:
    online = data.online
    name, returns = online.recipe.upper(), np.atleast_2d(np.asarray(online.returns, np.float64))
    if not returns.size:
        return [Notice("No evaluation was made while learning online.")]
    ends = [_mean_and_interval(row) for row in returns]
    curve = Curve(name, online.steps, [e[0] for e in ends], [e[1] for e in ends], [e[2] for e in ends], lines=())
    random = _reference("random", online.random)
    mark = Reference(f"{float(online.factor):g} × random", online.threshold)
    figure = Figure(
        partial(
            learning_curves,
            [curve],
            references=[random, mark],
            x_label="environment steps",
            y_label="return of an episode",
            describe=f"Return of {name} while learning",
        ),
        f"Mean return over {count(returns.shape[1], 'evaluation episode')} with its 95% interval. Dashed: acting at "
        f"random, and the mark that had to be passed with the whole interval.",
        f"{name} in the simulator.",
    )
    passed = "passed" if online.passed else "did not pass"
    told = (
        f"It {passed} the mark: {_told(online.final)} over {count(online.final_episodes, 'held-out episode')}, after "
        f"{online.environment_steps:,} environment steps in {duration(online.seconds)}."
    )
    return [Prose(told), figure]


def _told(estimate: Estimate) -> str:
    known = f" ({interval(estimate.interval)})" if estimate.known else ""
    return number(estimate.value) + known


def _mean_and_interval(row: np.ndarray) -> tuple[float, float, float]:
    known = row[np.isfinite(row)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    found = mean_interval(known)
    return float(known.mean()), found.low, found.high


def _offline(data: QuickstartData) -> list[Block]:
    methods = ranked(data.methods)
    curves = [
        curve_of_seeds(method.label, method.curve_steps, method.curve_returns)
        for method in methods
        if np.asarray(method.curve_returns).size
    ]
    if not curves:
        return [Notice("No method was evaluated while it learned, so there are no curves.")]
    figure = Figure(
        partial(
            learning_curves,
            curves,
            references=_references(data)[1:2],
            x_label="gradient updates",
            y_label="return of an episode",
            describe="Return of the offline methods while learning",
        ),
        "Thin: each seed. Bold: their interquartile mean, with its pointwise 95% bootstrap interval. The simulator was "
        "used to measure only; no method learned from these episodes.",
        "Return by updates.",
    )
    return [figure]


def _seeds(data: QuickstartData) -> list[Block]:
    methods = ranked(data.methods)
    if not methods:
        return [Notice("No offline method was run.")]
    rows = [SeedRow(method.label, method.returns, list(method.seeds), method.mean.value) for method in methods]
    figure = Figure(
        partial(
            seed_dots,
            rows=rows,
            references=_references(data)[1:2],
            x_label="return of an episode",
            describe="Return of each seed",
        ),
        f"One mark per seed: its mean return over {count(data.held_out_episodes, 'held-out episode')}. The bar is their "
        "mean.",
        "Seeds apart.",
    )
    names = sorted({seed for method in methods for seed in method.seeds})
    held = [dict(zip(m.seeds, np.asarray(m.returns, np.float64), strict=True)) for m in methods]
    lines = [
        (method.label, *(_seed_cell(method, returns, seed) for seed in names))
        for method, returns in zip(methods, held, strict=True)
    ]
    stars = " An asterisk marks a seed that diverged." if any(len(m.diverged) for m in methods) else ""
    caption = f"Mean return of each seed over its held-out episodes.{stars}"
    return [figure, Table(caption, ["Method", *(f"seed {seed}" for seed in names)], lines)]


def _seed_cell(method: MethodResult, returns: dict[int, float], seed: int) -> str:
    return number(returns.get(seed)) + ("*" if seed in method.diverged else "")


def _dataset(data: QuickstartData) -> list[Block]:
    dataset = data.dataset
    opened = f" It was opened and counted by {dataset.opened_by}." if dataset.opened_by else ""
    lead = (
        f"`{dataset.name}` holds {dataset.transitions:,} transitions in {count(dataset.episodes, 'episode')}, recorded "
        f"by policies of different skill.{opened}"
    )
    figure = Figure(
        partial(
            histogram,
            [Group(level.name, level.returns) for level in dataset.levels],
            x_label="return of an episode",
            describe="Returns of the episodes in the dataset",
        ),
        "How many episodes had which return, by the skill of the policy that was recorded. Each row has a height scale "
        "of its own: its highest column is as high as that of any other.",
        "Episodes in the data.",
    )
    rows = [_level(level.name, level.returns, level.transitions) for level in dataset.levels]
    every = np.concatenate([np.asarray(level.returns, np.float64) for level in dataset.levels] or [np.zeros(0)])
    rows.append(_level("all", every, dataset.transitions))
    table = Table(
        "Return of the recorded episodes; quantiles over episodes.",
        ("Level", "Episodes", "Transitions", "Mean", "10%", "Median", "90%"),
        rows,
    )
    quality = [Fact("Average return", number(dataset.mean.value), _ninety_five(dataset.mean))]
    if dataset.trajectory_quality is not None:
        told = "0: the average is random's, 1: it is the best policy's"
        quality.append(Fact("Trajectory quality (TQ)", number(dataset.trajectory_quality), told))
    if dataset.state_action_coverage is not None:
        told = "of the states and actions in an online agent's experience"
        quality.append(Fact("State-action coverage (SACo)", number(dataset.state_action_coverage), told))
    where = [("Fingerprint", dataset.fingerprint), *([("Folder", dataset.path)] if dataset.path else [])]
    return [Prose(lead), figure, table, Facts(quality), Pairs(where)]


def _level(name: str, returns: object, transitions: int) -> tuple[str, ...]:
    values = np.asarray(returns, np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return (name, f"{len(values):,}", f"{transitions:,}", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    quantiles = (number(value) for value in np.quantile(known, [0.1, 0.5, 0.9]))
    return (name, f"{len(values):,}", f"{transitions:,}", number(known.mean()), *quantiles)


def _film(data: QuickstartData) -> Film:
    video: Video
    if len(data.frames):
        video = encode_video(data.frames, fps=float(data.fps))
    else:
        video = no_video(data.no_video or "No video: nothing was rendered.")
    return Film(video, data.video_caption, f"Video of an episode in {data.environment}")


def _again(data: QuickstartData) -> list[Block]:
    lead = "This command repeats everything on this page; the same versions on the same machine type give the same numbers."
    blocks: list[Block] = [Prose(lead), Code(data.command)]
    if data.stages:
        rows = [Bar(name, seconds, duration(seconds)) for name, seconds in data.stages.items()]
        total = sum(float(seconds) for seconds in data.stages.values() if np.isfinite(float(seconds)))
        draw = partial(bars, rows, describe="Seconds that each stage took", x_label="seconds")
        blocks.append(Figure(draw, f"{duration(total)} in all.", "Where the time went."))
    machine = [(name, str(value)) for name, value in data.machine.items()]
    versions = [(name, str(value)) for name, value in data.versions.items()]
    return [*blocks, Pairs([*machine, *versions])]
