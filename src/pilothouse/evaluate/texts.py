"""How often does a language model answer rightly, and how sure are we: verified completions of a file of tasks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.verifiers import Verifier, verifier_named
from pilothouse.policies.language_model import BATCH, LanguageModel, Written
from pilothouse.statistics import Interval, interquartile_mean
from pilothouse.statistics.attempts import pass_at_k
from pilothouse.statistics.proportions import clustered_interval
from pilothouse.worlds.tasks import TextTask


@dataclass(frozen=True)
class Writing:
    """How completions are drawn: how many of each prompt, of at most how many tokens, at which temperature."""

    samples: int = 1
    longest: int = 128
    temperature: float | None = None
    seed: int = 0
    chat: bool = False

    def __post_init__(self) -> None:
        if self.samples < 1 or self.longest < 1:
            raise SettingError(f"samples={self.samples}, longest={self.longest}; expected at least 1 each.")
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise SettingError(f"temperature={self.temperature}; expected 0 (the likeliest tokens) or more.")
        if self.seed < 0:
            raise SettingError(f"seed={self.seed}; expected at least 0.")

    @property
    def heat(self) -> float:
        """The temperature: where none is given, one completion is the likeliest, several are drawn at 1."""
        return self.temperature if self.temperature is not None else float(self.samples > 1)


@dataclass(frozen=True)
class TextEvaluation:
    """Completions of every task and what they are worth; `scores` `(tasks, samples)` in [0, 1].

    `accuracy` is the mean; its 95% `interval` counts the completions of one prompt as alike as they are.
    """

    policy: str
    task: str
    verifier: str
    writing: Writing
    tasks: Sequence[TextTask]
    written: Sequence[Sequence[Written]]
    scores: Float[np.ndarray, "tasks samples"]

    @property
    def accuracy(self) -> float:
        return float(self.scores.mean())

    @cached_property
    def interval(self) -> Interval:
        return clustered_interval(self.scores)

    @property
    def pass_at(self) -> dict[int, float]:
        """For k = 1, 2, 4 … and all samples: how often one of k completions at least is right. Right is a score of 1."""
        right, samples = (self.scores == 1).T, self.scores.shape[1]
        counts = sorted({2**power for power in range(samples.bit_length()) if 2**power <= samples} | {samples})
        return {k: pass_at_k(right, k) for k in counts}

    @property
    def unended(self) -> float:
        """The share of completions that ran out of room."""
        return float(np.mean([not one.ended for row in self.written for one in row]))

    def __str__(self) -> str:
        lines = [
            f"{self.policy} on {self.task}: {self.accuracy:.1%} right by `{self.verifier}`, {self.interval.level:.0%} "
            f"{self.interval.low:.1%} to {self.interval.high:.1%} over {len(self.tasks)} prompts × "
            f"{self.writing.samples} at temperature {self.writing.heat:g}"
        ]
        if self.writing.samples > 1:
            lines.append(", ".join(f"pass@{k} {share:.1%}" for k, share in self.pass_at.items()))
        if self.unended:
            lines.append(f"note: {self.unended:.0%} of completions had no end within {self.writing.longest} tokens")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """As of any evaluation, an episode being a prompt, and what is of texts alone."""
        worth = self.scores.mean(axis=1)
        return {
            "policy": self.policy,
            "env": self.task,
            "episodes": len(self.tasks),
            "returns": [float(each) for each in worth],
            "iqm": float(interquartile_mean(worth)),
            "mean": self.accuracy,
            "interval": self.interval.to_json(),
            "success": float(np.mean(self.scores == 1)),
            "verifier": self.verifier,
            "samples": self.writing.samples,
            "temperature": self.writing.heat,
            "longest": self.writing.longest,
            "pass_at": {str(k): share for k, share in self.pass_at.items()},
            "unended": self.unended,
            "completions": [[one.text for one in row] for row in self.written],
        }


def evaluate_texts(
    model: LanguageModel,
    tasks: Sequence[TextTask],
    verifier: str | Verifier,
    writing: Writing | None = None,
    *,
    name: str | None = None,
    task: str = "tasks",
    tell: Callable[[str], None] | None = None,
) -> TextEvaluation:
    """Write behind every prompt and verify. Raises `SettingError` for no tasks, and what writing and verifying raise."""
    if not tasks:
        raise SettingError("No tasks to write for; expected one at least.")
    writing = writing or Writing()
    verify = verifier_named(verifier) if isinstance(verifier, str) else verifier
    written: list[list[Written]] = []
    size = max(BATCH // writing.samples, 1)
    for number, start in enumerate(range(0, len(tasks), size)):
        written += model.write(
            [each.prompt for each in tasks[start : start + size]],
            samples=writing.samples,
            longest=writing.longest,
            temperature=writing.heat,
            seed=writing.seed + 7919 * number,
            chat=writing.chat,
        )
        if tell is not None and len(written) * 10 // len(tasks) > start * 10 // len(tasks) and len(tasks) > size:
            tell(f"{len(written)} of {len(tasks)} prompts")
    scores = np.array([[verify(each, one.text) for one in row] for each, row in zip(tasks, written, strict=True)])
    called = verifier if isinstance(verifier, str) else getattr(verifier, "__name__", "verifier")
    return TextEvaluation(name or model.name, task, called, writing, tasks, written, scores)
