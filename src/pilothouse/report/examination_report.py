"""The report of `pilothouse examine`: for whoever must answer for a policy without having made it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.report.charts import (
    Bar,
    Curve,
    Group,
    IntervalRow,
    Reference,
    bars,
    histogram,
    intervals,
    learning_curves,
)
from pilothouse.report.examination import TITLES, Document, Examination
from pilothouse.report.numerals import UNKNOWN, count, duration, interval, listed, number
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
from pilothouse.report.video import Video, no_video
from pilothouse.statistics import Interval
from pilothouse.train.run import versions

FEATURES, RULES, CASES = 12, 24, 5
"""How many of each a page shows at most."""


@dataclass(frozen=True)
class Form:
    """How an examination is told: of policies that act, or of language models."""

    lead: Callable[[Examination], str]
    headline: Callable[[Examination], str]
    qualified: Callable[[Examination], list[str]]
    verdict: Callable[[Examination], list[Block]]
    sections: Sequence[tuple[str, Callable[[Examination, Document], list[Block]]]]


def write_examination_report(path: Path, found: Examination, form: "Form | None" = None) -> Path:
    """Writes the report as one HTML file and returns its absolute path; raises `OutputError` where it cannot."""
    return write_page(examination_page(found, form), Path(path))


def examination_page(found: Examination, form: "Form | None" = None) -> Page:
    """The report as a page, before it is written, of a policy that acts unless another form is given.

    A part that does not apply is not on it.
    """
    form = form or ACTING
    sections = [Section("Verdict", form.verdict(found))]
    for name, blocks in form.sections:
        document = found.parts.get(name)
        if document is None:
            continue
        if "absent" in document:
            sections.append(Section(TITLES[name], [Notice(f"This part could not be made. {document['absent']}")]))
        else:
            sections.append(Section(TITLES[name], blocks(found, document)))
    if found.explanations():
        sections.append(Section("How far to trust this", _trust(found)))
    sections.append(Section("Run it again", _again(found)))
    title = f"{Path(found.policy).name or found.policy} in {found.place}"
    return Page(title, "Pilothouse examine", form.lead(found), sections)


def _lead(found: Examination) -> str:
    watched = count(len(found.parts["returns"]["returns"]), "held-out episode")
    return f"`{found.policy}` was watched for {watched} in {found.place}, disturbed, imitated and questioned."


def span(given: Sequence[float | None] | None) -> Interval | None:
    """An interval as it stands in a document."""
    if given is None or given[0] is None or given[1] is None:
        return None
    return Interval(float(given[0]), float(given[1]), 0.95)


# --------------------------------------------------------------------------------------------------------------- verdict


def _verdict(found: Examination) -> list[Block]:
    returns = found.parts["returns"]
    mean, sure, random = returns["mean"], span(returns["interval"]), returns["random"]
    worst = returns["worst_decile"]
    facts = [
        Fact("Return of an episode", number(mean), f"95% {interval(sure)}"),
        Fact("Worst tenth of episodes", number(worst["mean"]), f"95% {interval(span(worst['interval']))}"),
        Fact("Acting at random", number(random), "in the same episodes"),
    ]
    if returns["success"] is not None:
        share = returns["success"]
        facts.append(Fact("Success", f"{share['share']:.0%}", f"95% {shares(share['interval'])}"))
    elif "terminated" in returns:
        ended = float(np.mean(returns["terminated"]))
        facts.append(Fact("Ended by the task", f"{ended:.0%}", "of episodes; the others met the time limit"))
    blocks: list[Block] = [Callout(headline(found), qualified(found)), Facts(facts)]
    if len(returns["returns"]) > 1:
        draw = partial(
            histogram,
            [Group("returns", returns["returns"])],
            x_label="return of an episode",
            describe="Returns of episodes",
        )
        blocks.append(Figure(draw, "Every episode that was watched, by its return.", "Returns."))
    return blocks


def headline(found: Examination) -> str:
    """What the policy is worth, in a sentence."""
    returns = found.parts["returns"]
    sure, random = span(returns["interval"]), returns["random"]
    who = Path(found.policy).name or found.policy
    said = f"{who} returns {number(returns['mean'])} an episode"
    if sure is None:
        return f"{said}; acting at random returns {number(random)}."
    if sure.above(random):
        return f"{said}, more than acting at random ({number(random)})."
    if sure.below(random):
        return f"{said}, less than acting at random ({number(random)})."
    return f"{said}, which cannot be told from acting at random ({number(random)})."


def qualified(found: Examination) -> list[str]:
    """What the reader has to know beside the headline: violations, failures, the first thing that breaks it."""
    said = [_violation(row) for row in found.parts["returns"]["violations"] if row["episodes"]]
    failures, robustness, drives = found.part("failures"), found.part("robustness"), found.part("drives")
    if failures is not None and failures["collapses"]:
        total = len(found.parts["returns"]["returns"])
        said.append(f"In {failures['collapses']} of {total} episodes what it could expect collapsed at some step.")
    if robustness is not None:
        said.append(broken_by(robustness["curves"]))
    if drives is not None and drives.get("most"):
        said.append(f"It acts most on {listed([f'`{name}`' for name in drives['most']])}.")
    return [line for line in [*said, doubted(found)] if line]


def doubted(found: Examination) -> str:
    """Which explanations failed their own sanity check; nothing where none did."""
    names = [row["method"] for row in found.explanations() if row["sanity_passed"] is False]
    return f"Not to be trusted here, by their own tests: {listed(names)}." if names else ""


def _violation(row: Document) -> str:
    return f"{row['name'][:1].upper()}{row['name'][1:]}: in {count(row['episodes'], 'episode')}, {row['steps']:.1%} of all steps."


def broken_by(curves: list[Document], chance: str = "acting at random") -> str:
    """What takes half of the gain over chance."""
    broken = [curve for curve in curves if curve["half_lost"] is not None]
    if not curves:
        return ""
    if not broken:
        return f"None of {count(len(curves), 'disturbance')} took half of its gain over {chance}."
    named = [f"{curve['test']} ({number(curve['half_lost'])} {curve['unit']})" for curve in broken[:4]]
    more = f" and {len(broken) - 4} more" if len(broken) > 4 else ""
    return f"Half of its gain over {chance} is lost under {listed(named)}{more}."


def shares(given: Sequence[float | None]) -> str:
    """An interval of shares, in percent."""
    found = span(given)
    return UNKNOWN if found is None else f"{found.low:.0%} to {found.high:.0%}"


# ---------------------------------------------------------------------------------------------------------------- failures


def _failures(found: Examination, document: Document) -> list[Block]:
    how = f"The value that is drawn is {document['value']}"
    if document["explained"] is not None:
        how += f", of whose spread it explains {max(document['explained'], 0.0):.0%} in episodes held out"
    blocks: list[Block] = [
        Prose(
            "The worst episodes, from their seeds and actions. Where the value falls by far more than it usually does "
            f"within ten steps, the episode was lost there. {how}."
        )
    ]
    for row in document["worst"]:
        fall = row["collapse"]
        where = (
            "its value never collapsed"
            if fall is None
            else f"its value collapsed at step {fall['step']}, by {number(fall['fall'])}"
        )
        caption = (
            f"Episode {row['episode']}: return {number(row['return'])}, ended {row['ended']} after "
            f"{count(row['length'], 'step')}; {where}."
        )
        blocks.append(Film(_video(found.folder, row), caption, f"Video of episode {row['episode']}"))
        values = np.asarray([np.nan if value is None else value for value in row["values"]], np.float64)
        at = [Curve("value", np.arange(len(values)), values, lines=())]
        if fall is not None:
            ends = min(fall["step"] + 10, len(values) - 1)
            at.append(Curve("lost here", np.array([fall["step"], ends]), values[[fall["step"], ends]], lines=()))
        draw = partial(
            learning_curves, at, x_label="step", y_label="value", describe=f"Value through episode {row['episode']}"
        )
        blocks.append(Figure(draw, "What could still be expected, step by step (discounted).", "Value."))
    return blocks


def _video(folder: Path, row: Document) -> Video:
    path = folder / row["film"] if row["film"] else None
    if path is None or not path.is_file():
        return no_video(row.get("reason") or "No video of this episode.")
    return Video(path.read_bytes(), row["media_type"], row["width"], row["height"], row["fps"], row["reason"])


# -------------------------------------------------------------------------------------------------------------- robustness


def _robustness(found: Examination, document: Document) -> list[Block]:
    curves = document["curves"]
    if not curves:
        return [Prose("Nothing in this place can be disturbed.")]
    episodes = max(len(row) for curve in curves for row in curve["returns"])
    lead = (
        f"The same {count(episodes, 'episode')} at every level of every disturbance. Gain: what it returns beyond "
        "acting at random; 100% is the gain undisturbed, 0% and less is no better than random."
    )
    return robustness_blocks(curves, lead, "return of an episode", "episode")


def robustness_blocks(curves: list[Document], lead: str, measure: str, each: str) -> list[Block]:
    """What is left under every disturbance, level by level. `measure` is what is measured of `each` episode."""
    kept = [Bar(curve["test"], share, f"{share:.0%}") for curve in curves if (share := _least(curve)) is not None]
    blocks: list[Block] = [Prose(lead)]
    if kept:
        draw = partial(bars, kept, x_label="share of the gain that is left", describe="Gain left at the hardest level")
        blocks.append(Figure(draw, "At the level that costs most.", "What is left."))
    rows = [_robustness_row(curve) for curve in curves]
    caption = (
        f"Mean {measure} undisturbed and at the level that costs most, with 95% intervals below; the mean of the worst "
        f"tenth of {each}s there; the level at which half of the gain is lost, between those tried."
    )
    blocks.append(Table(caption, ("Disturbance", "Undisturbed", "Worst level", "Worst tenth", "Half lost at"), rows))
    blocks.append(
        Folded(
            "Every level", [_levels(curve, measure) for curve in curves if any(m is not None for m in curve["mean"])]
        )
    )
    certified = [curve for curve in curves if curve.get("certified") and max(curve["certified"]) > 0]
    for curve in certified:
        place = int(np.argmax(curve["certified"]))
        blocks.append(
            Prose(
                f"Certified: guarded by noise of its own of {number(curve['levels'][place])} spreads, an episode keeps half "
                f"of the gain at least as often as not, whatever an adversary adds to its observations within an "
                f"Euclidean norm of {number(curve['certified'][place])} spreads over the whole episode (95% sure)."
            )
        )
    faults = [
        f"{c['test']} at {level:g}: {f}" for c in curves for level, f in zip(c["levels"], c["faults"], strict=True) if f
    ]
    lost = sum(sum(curve["excluded"]) for curve in curves)
    if lost:
        faults.append(f"{count(lost, each)} without a finite {measure.split()[0]} left out of the means.")
    if faults:
        blocks += [Notice("Not everything could be run:"), Bullets(faults)]
    return blocks


def _least(curve: Document) -> float | None:
    """The smallest share of the gain over random that is left at any level; None where there is no gain."""
    means = [mean for mean in curve["mean"] if mean is not None]
    plain = curve["mean"][curve["levels"].index(curve["nominal"])]
    gain = None if plain is None else plain - curve["random"]
    return None if gain is None or gain <= 0 else (min(means) - curve["random"]) / gain


def _robustness_row(curve: Document) -> tuple[str, ...]:
    nominal = curve["levels"].index(curve["nominal"])
    known = [i for i, mean in enumerate(curve["mean"]) if mean is not None]
    if not known:
        return (curve["test"], UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    hardest = min(known, key=lambda i: curve["mean"][i])
    half = UNKNOWN if curve["half_lost"] is None else f"{number(curve['half_lost'])}\n{curve['unit']}"
    return (
        curve["test"],
        f"{number(curve['mean'][nominal])}\n{interval(span(curve['interval'][nominal]))}",
        f"{number(curve['mean'][hardest])}\n{interval(span(curve['interval'][hardest]))}",
        f"{number(curve['worst'][hardest])}\nat {curve['levels'][hardest]:g}",
        half,
    )


def _levels(curve: Document, measure: str) -> Figure:
    rows = [
        IntervalRow(f"{level:g}", mean, known.low if known else None, known.high if known else None)
        for level, mean, known in zip(curve["levels"], curve["mean"], map(span, curve["interval"]), strict=True)
        if mean is not None
    ]
    reference = [Reference("random", curve["random"])]
    draw = partial(
        intervals,
        rows=rows,
        references=reference,
        x_label=measure,
        describe=f"{measure} under {curve['test']}",
    )
    title = f"{curve['test'][:1].upper()}{curve['test'][1:]}."
    return Figure(draw, f"Mean with its 95% interval, by level in {curve['unit']}.", title)


# ------------------------------------------------------------------------------------------------------------ explanations


def _drives(found: Examination, document: Document) -> list[Block]:
    shares, names = document["feature_importance"], document["features"]
    order = sorted(range(len(names)), key=lambda i: -shares[i])[:FEATURES]
    rows = [Bar(names[i], shares[i], f"{shares[i]:.0%}") for i in order]
    draw = partial(bars, rows, x_label="share of all contributions", describe="What the policy acts on")
    rest = len(names) - len(rows)
    left = f" {count(rest, 'feature')} with less are left out." if rest else ""
    blocks: list[Block] = [
        Prose(_sentence(document["chosen"])),
        Figure(draw, f"Share of all contributions to what it does, by {document['method']}.{left}", "What it acts on."),
    ]
    if not document["sanity_passed"]:
        blocks.insert(0, Notice("No attribution passed its sanity check here; what follows is not to be relied on."))
    rows = [
        (
            one["method"],
            number(one["fidelity"].get("gain")),
            number(one["fidelity"].get("infidelity")),
            number(one["fidelity"].get("max_sensitivity")),
            "passed" if one["sanity_passed"] else "failed",
        )
        for one in document["explanations"]
    ]
    caption = (
        "Gain: how much faster the response goes when features are taken away in this order, and comes when they are "
        "given, than in random orders. Infidelity: 0 exact, 1 as good as nothing. Largest change: of the explanation "
        f"within a hundredth of the features' spread. Sanity: {document['randomised']}."
    )
    columns = ("Method", "Gain", "Infidelity", "Largest change", "Sanity")
    return [*blocks, Folded("Every method that was tried", [Table(caption, columns, rows)])]


def _surrogate(found: Examination, document: Document) -> list[Block]:
    rows, blocks = [], []
    for one in document["surrogates"]:
        returned = UNKNOWN if not one["returns"] else number(float(np.mean(one["returns"])))
        rows.append((one["name"], number(one["fidelity"]), returned, interval(span(one["difference"]))))
        lines = one["rules"]
        shown = "\n".join(lines[:RULES]) + (f"\n… {len(lines) - RULES} more" if len(lines) > RULES else "")
        blocks.append(Folded(f"The rules of {one['name']}", [Code(shown)]))
    own = document["surrogates"][0]["own"]
    beside = f" The policy itself returned {number(float(np.mean(own)))} there." if own else ""
    caption = (
        "How alike their responses are to the policy's in episodes that they were not made from (agreement of choices, R² "
        "of numbers), what they return when they act in its place, and the 95% interval of the difference to the "
        f"policy's own return on the same seeds.{beside}"
    )
    lead = "Simple policies made to act as this one does. What they say of it holds as far as they agree with it."
    columns = ("Copy", "Agreement", "Return", "Difference")
    return [Prose(lead), Table(caption, columns, rows), *blocks]


def _clusters(found: Examination, document: Document) -> list[Block]:
    rows = []
    for place, one in enumerate(document["clusters"]):
        marked = sorted(one["features"].items(), key=lambda item: -abs(item[1] or 0.0))[:2]
        where = ", ".join(
            f"{name} {'high' if value > 0 else 'low'}" for name, value in marked if abs(value or 0.0) > 0.3
        )
        onward = document["transitions"][place]
        following = [
            i for i in np.argsort([-share for share in onward], kind="stable") if i != place and onward[i] > 0.005
        ]
        after = (
            "the end"
            if following and following[0] == len(onward) - 1
            else str(following[0] + 1)
            if following
            else UNKNOWN
        )
        rows.append(
            (
                f"{place + 1}",
                where or "as usual",
                f"{one['share']:.0%}",
                number(one["to_come"]),
                f"{one['fails']:.0%}",
                after,
                listed(list(one["flags"])) if one["flags"] else "",
            )
        )
    caption = (
        "Phases: steps that look alike to the policy. What marks them, their share of all steps, the discounted return "
        "from there, how many of the episodes that came there went badly (the worst quarter of returns), the phase that "
        f"follows most often, and why one deserves a look. Of all episodes {document['base_failures']:.0%} went badly."
    )
    columns = ("Phase", "Marked by", "Share", "To come", "Go badly", "Then", "")
    blocks: list[Block] = [Table(caption, columns, rows, words=(1, 6))]
    path = document["failing_path"]
    if len(path) > 1:
        named = " → ".join(str(place + 1) for place in path)
        blocks.append(Prose(f"The likeliest way into the phase where most goes wrong: {named}."))
    return blocks


def _prediction(found: Examination, document: Document) -> list[Block]:
    rows = []
    for one in document["predictions"]:
        what = (
            "failure"
            if one["what"] == "failure"
            else "its next action"
            if not one["ahead"]
            else f"{count(one['ahead'], 'step')} on"
        )
        rows.append(
            (
                what,
                f"{number(one['score'])}\n{interval(span(one['interval']))}",
                number(one["base"]),
                f"{one['skill']:.0%}" if one["skill"] is not None else UNKNOWN,
                number(one["calibration"]),
            )
        )
    if not rows:
        return [Prose("There was too little to learn a prediction from.")]
    caption = (
        "By models that read the observation (and the action now, for later ones), in episodes that they have not seen: "
        "accuracy of choices and failures, R² of numbers, with its 95% interval; the same of always saying the usual; the "
        "part of the rest that is foretold. Calibration: of choices the expected error of their probabilities, of numbers "
        "the share within intervals that should hold 90%."
    )
    return [Table(caption, ("Foretold", "Score", "Base", "Skill", "Calibration"), rows)]


def _counterfactuals(found: Examination, document: Document) -> list[Block]:
    facts = [
        Fact("Found", f"{document['validity']:.0%}", "of observations, asked again"),
        Fact("Distance", number(document["distance"]), "standard deviations, median"),
        Fact("Features moved", number(document["moved"]), "on average"),
        Fact("Unusual", number(document["unusual"]), "1: as usual as what it meets"),
    ]
    cases = sorted((case for case in document["cases"] if case["changes"]), key=lambda case: case["distance"])[:CASES]
    told = [
        ", ".join(f"{name} {number(before)} → {number(after)}" for name, (before, after) in case["changes"].items())
        + f" ({number(case['distance'])} standard deviations away)"
        for case in cases
    ]
    lead = "The nearest observations at which it would act otherwise: another choice, or an action one of its own standard deviations away."
    close = f"For {document['close_calls']:.0%} of the observations half a standard deviation suffices."
    return [Prose(lead), Facts(facts), Prose(close), *([Bullets(told)] if told else [])]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# ------------------------------------------------------------------------------------------------------------------- trust


def _trust(found: Examination) -> list[Block]:
    rows = []
    for row in found.explanations():
        sane = {True: "passed", False: "failed", None: UNKNOWN}[row["sanity_passed"]]
        rows.append((row["method"], row["measure"], number(row["fidelity"]), row["compared"], sane))
    caption = (
        "Each explanation was measured on episodes or states that it was not made from. Sanity: the same explanation of a "
        "policy whose weights (or answers) were shuffled has to come out otherwise, or explain nothing."
    )
    return [Table(caption, ("Explanation", "Measured by", "Figure", "Beside", "Sanity"), rows, words=(1, 3))]


def _again(found: Examination) -> list[Block]:
    blocks: list[Block] = []
    if found.command:
        blocks += [Prose("This command makes the same page again from the same policy."), Code(found.command)]
    rows = [Bar(name, seconds, duration(seconds)) for name, seconds in found.seconds.items()]
    draw = partial(bars, rows, describe="Seconds that each part took", x_label="seconds")
    blocks.append(Figure(draw, f"{duration(sum(found.seconds.values()))} in all.", "Where the time went."))
    return [*blocks, Pairs([(name, str(value)) for name, value in versions().items()])]


_SECTIONS: tuple[tuple[str, Any], ...] = (
    ("failures", _failures),
    ("robustness", _robustness),
    ("drives", _drives),
    ("surrogate", _surrogate),
    ("clusters", _clusters),
    ("prediction", _prediction),
    ("counterfactuals", _counterfactuals),
)

ACTING = Form(_lead, headline, qualified, _verdict, _SECTIONS)
