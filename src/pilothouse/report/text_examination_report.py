"""The report of `pilothouse examine` on a language model."""

from functools import partial
from pathlib import Path
from typing import Any

from pilothouse.report.charts import Bar, Group, bars, histogram
from pilothouse.report.examination import Document, Examination
from pilothouse.report.examination_report import Form, broken_by, doubted, robustness_blocks, shares, span
from pilothouse.report.numerals import count, number
from pilothouse.report.page import Block, Callout, Code, Fact, Facts, Figure, Folded, Notice, Prose, Table

TOLD = 6
"""Tokens of a prompt that are named."""


def _lead(found: Examination) -> str:
    returns = found.parts["returns"]
    asked = count(len(returns["returns"]), "prompt")
    each = "one completion each" if returns["samples"] == 1 else f"{returns['samples']} completions each"
    return f"`{found.policy}` was asked {asked} of {found.place}, {each}, verified by `{returns['verifier']}`."


def headline(found: Examination) -> str:
    """What the model is worth, in a sentence."""
    returns = found.parts["returns"]
    sure, chance = span(returns["interval"]), returns["random"]
    who = Path(found.policy).name or found.policy
    said = f"{who} answers {returns['mean']:.0%} rightly"
    beside = f"its completions behind other prompts ({chance:.0%})"
    if sure is not None and sure.above(chance):
        return f"{said}, more than {beside}."
    if sure is not None and sure.below(chance):
        return f"{said}, less than {beside}."
    return f"{said}, which cannot be told from {beside}."


def qualified(found: Examination) -> list[str]:
    """What the reader has to know beside the headline."""
    returns, said = found.parts["returns"], []
    if returns["unended"]:
        said.append(f"{returns['unended']:.0%} of its completions had no end within {returns['longest']} tokens.")
    robustness, known = found.part("robustness"), found.part("self_knowledge")
    if robustness is not None:
        said.append(broken_by(robustness["curves"], "its completions behind other prompts"))
    if known is not None and known["discrimination"] is not None:
        sure = span(known["interval"])
        knows = sure is not None and sure.above(0.5)
        said.append(
            f"A right completion is more probable to it than a wrong one in {known['discrimination']:.0%} of cases"
            + (": it knows something of when it is wrong." if knows else ": it does not know when it is wrong.")
        )
    return [line for line in [*said, doubted(found)] if line]


def _verdict(found: Examination) -> list[Block]:
    returns = found.parts["returns"]
    facts = [
        Fact("Right", f"{returns['mean']:.0%}", f"95% {shares(returns['interval'])}"),
        Fact("Worst tenth of prompts", f"{returns['worst_decile']['mean']:.0%}", "right"),
        Fact("Other prompts' completions", f"{returns['random']:.0%}", "right, by chance"),
        *(Fact(f"One of {k} right", f"{share:.0%}", f"pass@{k}") for k, share in list(returns["pass_at"].items())[1:]),
    ]
    blocks: list[Block] = [Callout(headline(found), qualified(found)), Facts(facts)]
    if returns["samples"] > 1:
        draw = partial(
            histogram,
            [Group("prompts", returns["returns"])],
            x_label="share of completions that are right",
            describe="How often each prompt is answered rightly",
        )
        blocks.append(Figure(draw, "Every prompt, by how often it was answered rightly.", "Prompts."))
    return blocks


def _failures(found: Examination, document: Document) -> list[Block]:
    if not document["worst"]:
        return [Prose("No prompt was answered wrongly.")]
    total = len(found.parts["returns"]["returns"])
    blocks: list[Block] = [
        Prose(
            f"{count(document['failed'], 'prompt')} of {total} had a completion that is not right. These are the worst, "
            "the surest mistakes first."
        )
    ]
    for row in document["worst"]:
        least = row["least_sure"]
        where = (
            ""
            if least is None
            else f" It was least sure of “{least['token']}”, token {least['place'] + 1} ({least['probability']:.0%})."
        )
        cut = "" if row["ended"] else " It came to no end."
        said = f"Line {row['line']}, {row['score']:.0%} right, wanted “{row['answer']}”.{where}{cut}"
        blocks += [Prose(said), Code(f"{row['prompt']}\n→ {row['completion']}")]
    return blocks


def _drives(found: Examination, document: Document) -> list[Block]:
    blocks: list[Block] = [Prose(document["chosen"])]
    if not document["sanity_passed"]:
        blocks.insert(0, Notice("No attribution passed its sanity check here; what follows is not to be relied on."))
    rows = []
    for prompt in document["prompts"]:
        whole = sum(abs(value) for value in prompt["values"]) or 1.0
        order = sorted(range(len(prompt["values"])), key=lambda i: -abs(prompt["values"][i]))[:TOLD]
        named = [
            f"“{prompt['tokens'][i]}” {'+' if prompt['values'][i] > 0 else '-'}{abs(prompt['values'][i]) / whole:.0%}"
            for i in order
        ]
        rows.append(("".join(prompt["tokens"])[-160:], prompt["completion"][:80], ", ".join(named)))
    caption = (
        "What each completion rests on: the tokens with the largest shares of all contributions. With +, the completion is "
        "likelier for this token than for one of another prompt; with -, less likely."
    )
    blocks.append(Table(caption, ("Prompt", "Completion", "Rests on"), rows, words=(0, 1, 2)))
    methods = [
        (
            one["method"],
            number(one["fidelity"]["gain"]),
            number(one["fidelity"]["infidelity"]),
            "passed" if one["sanity"]["passed"] else "failed",
        )
        for one in document["explanations"]
    ]
    caption = (
        "Gain: how much faster the log-probability goes when tokens are taken away in this order, and comes when they are "
        "given, than in random orders. Infidelity: 0 exact, 1 as good as nothing. Sanity: weights drawn anew."
    )
    table = Table(caption, ("Method", "Gain", "Infidelity", "Sanity"), methods)
    return [*blocks, Folded("Every method that was tried", [table])]


def _self_knowledge(found: Examination, document: Document) -> list[Block]:
    if document["discrimination"] is None:
        return [Prose("All completions are right, or all are wrong: nothing can be told apart.")]
    facts = [
        Fact("Tells right from wrong", f"{document['discrimination']:.0%}", f"95% {shares(document['interval'])}"),
        Fact("Calibration error", number(document["error"]), "0: as often right as it is sure"),
        Fact(
            "Brier score", number(document["brier"]), f"{number(document['base'])} of always saying the overall share"
        ),
    ]
    rows = [
        Bar(f"{each['confidence']:.0%} sure", each["right"], f"{each['right']:.0%} of {each['count']}")
        for each in document["bins"]
    ]
    draw = partial(bars, rows, x_label="share that is right", describe="How often it is right, by how sure it is")
    lead = "How sure it is: the geometric mean of the probabilities of a completion's tokens."
    return [Prose(lead), Facts(facts), Figure(draw, "How often it is right, by how sure it is.", "Calibration.")]


def _robustness(found: Examination, document: Document) -> list[Block]:
    asked = count(len(found.parts["returns"]["returns"]), "prompt")
    lead = (
        f"The same {asked} at every level of every disturbance. Gain: what is right beyond what its completions earn "
        "behind other prompts; 100% is the gain undisturbed, 0% and less is no better than chance."
    )
    return robustness_blocks(document["curves"], lead, "share that is right", "prompt")


_SECTIONS: tuple[tuple[str, Any], ...] = (
    ("failures", _failures),
    ("robustness", _robustness),
    ("drives", _drives),
    ("self_knowledge", _self_knowledge),
)

TEXTS = Form(_lead, headline, qualified, _verdict, _SECTIONS)
