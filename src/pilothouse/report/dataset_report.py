"""What is in a dataset, as a page and as lines for a terminal: the verdict first, then what it rests on."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.data import behaviour as neighbours
from pilothouse.data.dataset import Dataset, observations
from pilothouse.data.diagnosis import FAMILIES, MEANINGS, Diagnosis, Finding
from pilothouse.report.charts import Bar, Group, bars, histogram
from pilothouse.report.numerals import count, listed, number
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
from pilothouse.report.text_chart import text_histogram

MARKS = {"sound": "✓", "note": "·", "fault": "✗"}
"""How a finding is marked in a terminal."""
WORDS = {"sound": "sound", "note": "worth knowing", "fault": "fault"}
MOST_ENTRIES = 40
"""Rows of the table of numbers; further entries are left out, and it says so."""
_ROWS = 50_000
"""Rows that the spread of each entry is measured on."""


def write_dataset_report(path: Path, dataset: Dataset, found: Diagnosis, *, source: str) -> Path:
    """Writes the page and returns its absolute path; `source` is what the user called the dataset.

    Raises `OutputError` where it cannot be written.
    """
    return write_page(dataset_page(dataset, found, source=source), path)


def dataset_page(dataset: Dataset, found: Diagnosis, *, source: str) -> Page:
    """The page before it is written."""
    fingerprint, dataset = dataset.fingerprint, dataset.labelled()
    sections = [
        Section("What it is good for", _verdict(found)),
        Section("What this suggests", _suggestions(found, source)),
        Section("Returns and lengths", _returns(dataset, found)),
        Section("Is it sound?", _soundness(found)),
        Section("What was done", _behaviour(dataset, found)),
        Section("What is observed and done", _spaces(dataset)),
        Section("How this was found", _method(found, fingerprint)),
    ]
    return Page(dataset.name, "Pilothouse dataset", dataset.description, sections)


def dataset_text(dataset: Dataset, found: Diagnosis) -> Iterator[str]:
    """The same for a terminal, a line at a time."""
    dataset = dataset.labelled()
    yield f"{found.name}  (environment {found.env_id or 'unknown'})"
    yield f"  observes {_space(dataset.spec.obs)}; does {_space(dataset.spec.action)}"
    yield f"  {count(found.transitions, 'transition')} in {count(found.episodes, 'episode')} of {_lengths(found)} steps"
    yield ""
    yield found.verdict
    yield ""
    sound = [_titled(finding) for finding in found.findings if finding.level == "sound"]
    yield f"  {MARKS['sound']} Nothing wrong with: {listed(sound)}." if sound else "  Nothing was found sound."
    for finding in found.findings:
        if finding.level != "sound":
            yield f"  {MARKS[finding.level]} {finding.sentence}"
    for title, values in (("returns", dataset.returns), ("lengths of episodes", dataset.lengths)):
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in text_histogram(np.asarray(values, np.float64)))
    yield ""
    yield "what this suggests:"
    for family, reason in found.suits:
        yield f"  + {family} ({_recipes(family) or 'none built yet'}): {reason}"
    for family, reason in found.cautions:
        yield f"  - {family}: {reason}"
    yield "These are rules of thumb; `pilothouse compare` measures."


def _verdict(found: Diagnosis) -> list[Block]:
    returns = found.returns
    told = [finding.sentence for finding in found.faults]
    told += [finding.sentence for finding in found.findings if finding.name in ("returns", "rewards")]
    first = found.suits[0][0] if found.suits else None
    if first is not None:
        told.append(f"{first[0].upper()}{first[1:]} means: {MEANINGS[first]}. {found.suits[0][1]}")
    quality = (
        Fact("Trajectory quality", f"{returns.tq:.2f}", "0 acts at random, 1 is the reference")
        if returns.referenced
        else Fact("Best tenth", number(returns.best), "mean return")
    )
    seen = "" if found.rows_seen == found.transitions else f"{found.rows_seen:,} of them looked at"
    facts = [
        Fact("Transitions", f"{found.transitions:,}", seen),
        Fact("Episodes", f"{found.episodes:,}", f"of {_lengths(found)} steps"),
        Fact("Mean return", number(returns.mean), f"{number(returns.low)} to {number(returns.high)}"),
        quality,
    ]
    return [Callout(found.verdict, told), Facts(facts)]


def _suggestions(found: Diagnosis, source: str) -> list[Block]:
    rows = [
        (f"{family}\n{MEANINGS[family]}", f"{reason}\n{_recipes(family)}" if _recipes(family) else reason)
        for family, reason in found.suits
    ]
    caption = "Families of methods that are likely to suit, the likeliest first, with recipes of theirs that are here."
    blocks: list[Block] = [Table(caption, ("Family", "Why"), rows, words=(1,))]
    if found.cautions:
        blocks += [
            Prose("Likely not to suit:"),
            Bullets([f"{family}: {reason}" for family, reason in found.cautions]),
        ]
    tried = [key for family, _ in found.suits for key in _built(family)][:4]
    if tried:
        blocks += [
            Prose("These are rules of thumb of the field: they say where to look first. To measure it:"),
            Code(f"pilothouse compare {' '.join(tried)} --data {source}"),
        ]
    return blocks


def _built(family: str) -> list[str]:
    from pilothouse.algorithm.registry import places

    return [key for key in FAMILIES[family] if key in places()]


def _recipes(family: str) -> str:
    return ", ".join(_built(family))


def _returns(dataset: Dataset, found: Diagnosis) -> list[Block]:
    told = next(finding.sentence for finding in found.findings if finding.name == "returns")
    lengths = np.asarray(dataset.lengths, np.float64)
    blocks: list[Block] = [
        Prose(told),
        Figure(
            partial(histogram, [Group("episodes", dataset.returns)], describe="Returns of the episodes"),
            "How many episodes earned how much, undiscounted. Several humps mean several kinds of behaviour.",
            "Returns.",
        ),
    ]
    if lengths.min() == lengths.max():
        return [*blocks, Prose(f"Every episode has {count(int(lengths[0]), 'step')}.")]
    draw = partial(histogram, [Group("episodes", lengths)], describe="Lengths of the episodes", x_label="steps")
    return [*blocks, Figure(draw, "How many steps the episodes have.", "Lengths.")]


def _soundness(found: Diagnosis) -> list[Block]:
    order = {"fault": 0, "note": 1, "sound": 2}
    shown = [f for f in found.findings if f.name not in ("returns", "coverage", "randomness", "multimodality")]
    shown.sort(key=lambda finding: order[finding.level])
    rows = [(f"{_titled(finding)}\n{WORDS[finding.level]}", finding.sentence) for finding in shown]
    caption = "Each thing that was looked for. A fault is to be mended, or to be learned around."
    return [Table(caption, ("Looked for", "Found"), rows, words=(1,))]


def _titled(finding: Finding) -> str:
    return {
        "nonfinite": "NaN and infinity",
        "bounds": "Action bounds",
        "gaps": "Gaps in episodes",
        "duplicates": "Duplicates",
        "constant": "Constant entries",
        "endings": "How episodes end",
        "rewards": "Rewards",
        "behaviour": "Behaviour",
        "size": "Size",
        "sample": "Sample",
        "labels": "Labels",
    }[finding.name]


def _behaviour(dataset: Dataset, found: Diagnosis) -> list[Block]:
    told = [f.sentence for f in found.findings if f.name in ("randomness", "multimodality", "behaviour", "coverage")]
    blocks: list[Block] = [Bullets(told)]
    if found.behaviour is not None:
        doing = found.behaviour
        rows = [
            Bar("left to chance", doing.randomness, f"{doing.randomness:.0%}"),
            Bar("two ways to act", doing.multimodality, f"{doing.multimodality:.0%}"),
        ]
        draw = partial(bars, rows, describe="How actions vary in like situations", x_label="share")
        caption = (
            "Left to chance: share of the variance of actions that remains once the situation is known. Two ways to "
            "act: share of the situations in which actions fall into two groups far apart."
        )
        blocks.append(Figure(draw, caption, "In like situations."))
    for name, space, array in observations(dataset.spec.action, dataset.action):
        blocks += _actions(name, space, array)
    return blocks


def _actions(name: str, space: Space, array: np.ndarray) -> list[Block]:
    """How often each choice, or each push, was taken; of long actions the first six entries."""
    flat = array.reshape(len(array), -1)
    label = name or "action"
    if isinstance(space, Discrete):
        counts = np.bincount(flat[:, 0].astype(np.int64), minlength=space.n)[:30] / len(flat)
        rows = [Bar(f"{label} {choice}", float(share), f"{share:.1%}") for choice, share in enumerate(counts)]
        return [
            Figure(partial(bars, rows, describe="How often each choice was made", x_label="share"), "Choices made.")
        ]
    if not isinstance(space, Box | MultiDiscrete) or flat.shape[1] == 0:
        return []
    shown = flat[:: max(len(flat) // _ROWS, 1), :6]
    groups = [Group(f"{label}[{i}]", shown[:, i].astype(np.float64)) for i in range(shown.shape[1])]
    more = f" The first 6 of {flat.shape[1]} entries." if flat.shape[1] > 6 else ""
    draw = partial(histogram, groups, describe="Actions", x_label="value, in the environment's units", unit="row")
    return [Figure(draw, f"Which values the actions took.{more}", "Actions.")]


def _spaces(dataset: Dataset) -> list[Block]:
    pairs = [("observations", _space(dataset.spec.obs)), ("actions", _space(dataset.spec.action))]
    rows = [row for side in ("obs", "action") for row in _entries(dataset, side)]
    blocks: list[Block] = [Pairs(pairs)]
    if rows:
        left = f" The first {MOST_ENTRIES} of {len(rows)}." if len(rows) > MOST_ENTRIES else ""
        caption = f"Every entry over at most {_ROWS:,} rows, in the units of the environment.{left}"
        columns = ("Entry", "Least", "Mean", "Deviation", "Most")
        blocks.append(
            Folded(
                f"Show {count(min(len(rows), MOST_ENTRIES), 'entry', 'entries')}",
                [Table(caption, columns, rows[:MOST_ENTRIES])],
            )
        )
    return blocks


def _entries(dataset: Dataset, side: str) -> list[tuple[str, ...]]:
    rows = []
    for name, space, array in observations(getattr(dataset.spec, side), getattr(dataset, side)):
        if not isinstance(space, Box) or len(space.shape) > 1:
            continue
        some = array[:: max(len(array) // _ROWS, 1)].reshape(-1, space.size).astype(np.float64)
        for index in range(min(some.shape[1], MOST_ENTRIES + 1)):
            one = some[:, index]
            numbers = (one.min(), one.mean(), one.std(), one.max())
            rows.append((f"{name or side}[{index}]", *(number(value) for value in numbers)))
    return rows


def _method(found: Diagnosis, fingerprint: str) -> list[Block]:
    looked = (
        f"All {found.transitions:,} transitions were looked at."
        if found.rows_seen == found.transitions
        else f"{found.rows_seen:,} of {found.transitions:,} transitions were looked at, in whole episodes drawn at random."
    )
    about = [
        looked,
        f"Like situations are the {neighbours.NEIGHBOURS} nearest of at most {neighbours.POOL:,} rows by standardised "
        f"observation, around {neighbours.ANCHORS} rows drawn at random.",
        "Two ways to act: along an entry, or the direction in which the actions of neighbours differ most, the best cut "
        "into two groups explains far more than it would of an even spread: some 5.4 standard deviations between them.",
        "Coverage counts distinct cells of observation and action, 100 a number; trajectory quality is where the mean "
        "return lies between two references (Schweighofer et al., arXiv:2111.04714).",
        "Duplicates are transitions that agree in every bit.",
    ]
    fold = Folded("Fingerprint", [Prose(f"`{fingerprint}`")])
    blocks: list[Block] = [Bullets(about), fold]
    if not found.returns.referenced:
        blocks.insert(
            0, Notice("No reference scores are known for this dataset: quality is told by its own episodes alone.")
        )
    return blocks


def _lengths(found: Diagnosis) -> str:
    low, high = int(found.numbers["length_min"]), int(found.numbers["length_max"])
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _space(space: Space) -> str:
    match space:
        case DictSpace():
            return listed([f"{name}: {_space(inner)}" for name, inner in space.items])
        case Discrete():
            return f"one of {count(space.n, 'choice')}"
        case MultiDiscrete():
            return f"{count(len(space.nvec), 'choice')}, of {listed([str(n) for n in space.nvec[:8]])}"
        case Box(dtype="uint8"):
            return f"a picture of {' × '.join(map(str, space.shape))}"
        case Box():
            low, high = space.bounds()
            within = f" in [{number(low.min())}, {number(high.max())}]" if space.bounded else ""
            return f"{count(space.size, 'number')}{within}"
        case _:
            return str(space)
