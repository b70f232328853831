"""`examine` for language models: tasks and a verifier in place of an environment.

The folder is as that of any examination, with `completions.json` (what was written and what it is worth) in place of the
episodes; what does not apply to texts is no part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.evaluate.texts import TextEvaluation, Writing, evaluate_texts
from pilothouse.evaluate.verifiers import verifier_named
from pilothouse.explain.randomised import weights_redrawn
from pilothouse.explain.self_knowledge import confidence_of, self_knowledge
from pilothouse.explain.text_attribution import Passage, attribute_texts, log_probabilities
from pilothouse.guard.texts import robustness_of_texts
from pilothouse.policies.language_model import LanguageModel, Written
from pilothouse.report.examination import TITLES, Document, Examination, Plan, made
from pilothouse.statistics import interquartile_mean
from pilothouse.statistics.tails import worst_mean, worst_mean_interval
from pilothouse.train.run import Tell, default_folder
from pilothouse.train.storage import write_json
from pilothouse.train.work_folder import kept, work_folder
from pilothouse.worlds.tasks import TextTask

WORST, EXPLAINED = 5, 6
"""How many failures are shown, and how many prompts are explained."""
LARGE = 20_000_000
"""Weights beyond which Shapley values are left out: they ask for hundreds of passes a prompt."""


@dataclass
class TextStudy:
    """A language model, what it is asked, and what every part looks at."""

    model: LanguageModel
    tasks: Sequence[TextTask]
    verifier: str
    writing: Writing
    plan: Plan
    folder: Path
    name: str
    task: str
    tell: Tell

    @cached_property
    def found(self) -> TextEvaluation:
        """What was written, from the folder where it was written before."""
        stored = kept(self.folder / "completions.json", self._write)
        written = [
            [Written(one["text"], tuple(one["tokens"]), tuple(one["log_probs"]), one["ended"]) for one in row]
            for row in stored["written"]
        ]
        scores = np.asarray(stored["scores"], np.float64)
        return TextEvaluation(self.name, self.task, self.verifier, self.writing, self.tasks, written, scores)

    def _write(self) -> Document:
        found = evaluate_texts(self.model, self.tasks, self.verifier, self.writing, tell=self.tell)
        return plain({"written": [[asdict(one) for one in row] for row in found.written], "scores": found.scores})

    @cached_property
    def chance(self) -> float:
        """What the completions earn behind other prompts than their own: each is moved on to the next ones."""
        found, verify = self.found, verifier_named(self.verifier)
        moves = range(1, min(len(self.tasks), 6))
        worth = [
            verify(task, one.text)
            for move in moves
            for task, row in zip(self.tasks, [*found.written[move:], *found.written[:move]], strict=True)
            for one in row
        ]
        return float(np.mean(worth)) if worth else 0.0


def examine_texts(
    model: LanguageModel,
    tasks: Sequence[TextTask],
    verifier: str,
    writing: Writing,
    *,
    quick: bool = False,
    name: str | None = None,
    task: str = "tasks",
    about: dict[str, Any] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell | None = None,
    command: str = "",
) -> Examination:
    """Examine a language model on tasks, in `out` (`runs/examine-<model>-<n>`). Quick asks the first 50 at most.

    Raises `PilothouseError`s for what is wrong with the input, and for a model or a verifier that fails on the tasks as
    they are; any other part that fails is reported in its place.
    """
    name = name or model.name
    if len(tasks) < 2:
        raise DataError(
            f"{task} has {len(tasks)} task; an examination needs at least two, to hold one against another."
        )
    verifier_named(verifier)
    plan, say = Plan(quick=quick, seed=writing.seed), tell or (lambda line: None)
    tasks = tasks[:50] if quick else tasks
    folder = Path(out) if out is not None else default_folder("examine", name)
    config = {
        "policy": {"name": name, **(about or {})},
        "place": {"task": task, "verifier": verifier, "tasks": [asdict(each) for each in tasks]},
        "plan": {**asdict(plan), **asdict(writing)},
    }
    with work_folder(folder, "examine", config, resume=resume, overwrite=overwrite, command=command):
        study = TextStudy(model, tasks, verifier, writing, plan, folder, name, task, say)
        parts, seconds = made({part: partial(PARTS[part], study) for part in PARTS}, folder, say)
        found = Examination(folder, name, task, plan, parts, seconds, command)
        write_json(folder / "examination.json", found.as_json())
    return found


# ------------------------------------------------------------------------------------------------------- how good it is


def _returns(study: TextStudy) -> Document:
    found = study.found
    worth = found.scores.mean(axis=1)
    return {
        "returns": worth,
        "mean": found.accuracy,
        "interval": found.interval,
        "iqm": float(interquartile_mean(worth)),
        "worst_decile": {"mean": float(worst_mean(worth)), "interval": worst_mean_interval(worth)},
        "random": study.chance,
        "success": {"share": float(np.mean(found.scores == 1)), "interval": found.interval},
        "violations": [],
        "samples": found.writing.samples,
        "temperature": found.writing.heat,
        "verifier": study.verifier,
        "pass_at": {str(k): share for k, share in found.pass_at.items()},
        "unended": found.unended,
        "longest": found.writing.longest,
    }


# -------------------------------------------------------------------------------------------------------- where it fails


def _failures(study: TextStudy) -> Document:
    found = study.found
    worth = found.scores.mean(axis=1)
    # Of prompts that are answered as badly, those where it was surest are the worst.
    sure = confidence_of([[one.log_probs for one in row] for row in found.written]).mean(axis=1)
    worst = []
    for place in np.lexsort((-sure, worth))[:WORST]:
        if worth[place] >= 1:
            break
        row, task = found.written[place], found.tasks[place]
        one = row[int(np.argmin(found.scores[place]))]
        least = int(np.argmin(one.log_probs)) if one.log_probs else None
        worst.append(
            {
                "line": task.line,
                "prompt": task.prompt,
                "answer": task.answer,
                "score": float(worth[place]),
                "completion": one.text,
                "ended": one.ended,
                "confidence": float(sure[place]),
                "least_sure": None
                if least is None
                else {
                    "token": _shown(study.model, one.tokens[least]),
                    "place": least,
                    "probability": float(np.exp(one.log_probs[least])),
                },
            }
        )
    return {"worst": worst, "failed": int((worth < 1).sum())}


# ------------------------------------------------------------------------------------------------------- how brittle it is


def _robustness(study: TextStudy) -> Document:
    def remember(name: str, work: Callable[[], Document]) -> Document:
        safe = "".join(c if c.isalnum() or c in "-." else "-" for c in name)
        return kept(study.folder / "parts" / "robustness" / f"{safe}.json", lambda: plain(work()))

    def progress(done: int, total: int, what: str) -> None:
        study.tell(f"{TITLES['robustness']}: {what} ({done + 1} of {total})")

    def score(tasks: Sequence[TextTask], temperature: float) -> np.ndarray:
        return evaluate_texts(
            study.model, tasks, study.verifier, replace(study.writing, temperature=temperature)
        ).scores

    curves = robustness_of_texts(
        score,
        study.tasks,
        study.writing.heat,
        study.found.scores.mean(axis=1),
        study.chance,
        seed=study.plan.seed,
        quick=study.plan.quick,
        progress=progress,
        remember=remember,
    )
    return {"curves": [curve.as_json() for curve in curves]}


# ------------------------------------------------------------------------------------------------------------ explanations


def _passages(study: TextStudy) -> list[Passage]:
    found = study.found
    prompts = [study.model.prompt(task.prompt, chat=study.writing.chat) for task in study.tasks]
    return [
        Passage(tuple(prompt), row[0].tokens)
        for prompt, row in zip(prompts, found.written, strict=True)
        if row[0].tokens
    ]


def _drives(study: TextStudy) -> Document:
    quick, passages = study.plan.quick, _passages(study)[:EXPLAINED]
    large = sum(leaf.size for leaf in jax.tree.leaves(study.model.model)) > LARGE
    orders = 0 if large else 2 if quick else 8
    found = attribute_texts(
        study.model.model, passages, orders=orders, background=2 if quick else 4, seed=study.plan.seed
    )
    prompts = [
        {
            "tokens": [_shown(study.model, token) for token in passage.prompt],
            "completion": study.model.words.decode(passage.completion),
            "values": values.tolist(),
        }
        for passage, values in zip(found.passages, found.chosen.values, strict=True)
    ]
    trust = [
        {
            "method": f"tokens by {one.method}",
            "measure": "deletion and insertion, beyond random orders",
            "fidelity": one.curves.gain,
            "compared": f"0; infidelity {one.infidelity:.2g} (0 exact, 1 as good as nothing)",
            "sanity_passed": one.sanity.passed,
        }
        for one in found.methods
    ]
    return {
        "chosen": f"Tokens of the prompt by how much of the completion's log-probability rests on them, by {found.chosen.method}.",
        "method": found.chosen.method,
        "sanity_passed": found.chosen.sanity.passed,
        "prompts": prompts,
        "explanations": [one.as_json() for one in found.methods],
        "trust": trust,
    }


def _self_knowledge(study: TextStudy) -> Document:
    found = study.found
    confidence = confidence_of([[one.log_probs for one in row] for row in found.written])
    other = weights_redrawn(study.model.model, jax.random.key(study.plan.seed))
    prompts = [study.model.prompt(task.prompt, chat=study.writing.chat) for task in study.tasks]
    passages = [Passage(tuple(p), one.tokens) for p, row in zip(prompts, found.written, strict=True) for one in row]
    told = log_probabilities(other, passages) / [len(each.completion) for each in passages]
    known = self_knowledge(confidence, found.scores, np.exp(told).reshape(confidence.shape), seed=study.plan.seed)
    trust = {
        "method": "its own probability, as a forecast of being right",
        "measure": "chance that a right completion is more probable to it than a wrong one",
        "fidelity": known.discrimination,
        "compared": f"{known.randomised:.2f} by a model with weights drawn anew",
        "sanity_passed": None if np.isnan(known.discrimination) else known.sanity_passed,
    }
    return {**known.as_json(), "trust": [trust]}


def _shown(model: LanguageModel, token: int) -> str:
    """A token as it reads; by number where it is no text."""
    text = model.words.decode([token])
    return text if text.strip() else f"⟨{token}⟩" if not text else repr(text)[1:-1]


PARTS: dict[str, Callable[[TextStudy], Document]] = {
    "returns": _returns,
    "failures": _failures,
    "robustness": _robustness,
    "drives": _drives,
    "self_knowledge": _self_knowledge,
}
