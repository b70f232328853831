"""How far verifiers are right: their verdicts on completions whose worth is known."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.verifiers import Verifier
from pilothouse.worlds.tasks import TextTask, read_tasks

LABELS, KINDS = ("right", "correct", "label"), ("kind", "answer_type")
"""What the label of a line, and its kind of answer, may be called."""


class Item(NamedTuple):
    """A task with its reference answer, a completion, whether that is truly right, and what kind of answer it is."""

    task: TextTask
    completion: str
    right: bool
    kind: str = "answer"


class Verdicts(NamedTuple):
    """`accepted` by the verifier (worth at least a half), and `refused`: those it could say nothing of, not accepted."""

    accepted: Bool[np.ndarray, " item"]
    refused: Bool[np.ndarray, " item"]


def read_items(path: str | Path) -> list[Item]:
    """Items from a JSONL file: lines as for tasks, with a `completion`, and `right` (or `correct`, `label`): true or false.

    `kind` (or `answer_type`) may say what kind of answer it is. Raises `DataError` as `read_tasks`, and for a line
    without completion or label.
    """
    found = []
    lines = Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []
    for task in read_tasks(path):
        row: dict[str, Any] = json.loads(lines[task.line - 1])
        label = next((row[name] for name in LABELS if name in row), None)
        if not isinstance(row.get("completion"), str) or label not in (True, False):
            raise DataError(
                f"{path}, line {task.line}: expected a `completion` in text and `right`, true or false, beside the "
                f"prompt and answer; found {', '.join(sorted(row))}."
            )
        kind = next((str(row[name]) for name in KINDS if name in row), "answer")
        found.append(Item(task, row["completion"], bool(label), kind))
    return found


def verdicts(verifier: Verifier, items: Sequence[Item]) -> Verdicts:
    """What the verifier says of every item. One that raises `SettingError` refuses: such a completion earns nothing."""
    worth = np.full(len(items), np.nan)
    for place, item in enumerate(items):
        try:
            worth[place] = verifier(item.task, item.completion)
        except SettingError:
            continue
    return Verdicts(worth >= 0.5, np.isnan(worth))


def contested(panel: Sequence[Verifier], items: Sequence[Item]) -> Bool[np.ndarray, " item"]:
    """Where some verifiers of the panel accept and others do not: the hard part. Raises `SettingError` for fewer than two."""
    if len(panel) < 2:
        raise SettingError(f"A panel of {len(panel)} cannot disagree; give two verifiers or more.")
    accepted = np.stack([verdicts(one, items).accepted for one in panel])
    return np.any(accepted, axis=0) & ~np.all(accepted, axis=0)


def marks(said: Verdicts, items: Sequence[Item]) -> Mapping[str, float]:
    """`accuracy`, in all and by kind of answer; `accepts_wrong` and `rejects_right`, shares of the wrong and the right ones;
    `refused`. What there is none of is left out. Raises `DataError` for no items."""
    if not items:
        raise DataError("No items to judge; expected one at least.")
    right, kinds = np.array([item.right for item in items]), np.array([item.kind for item in items])
    correct = said.accepted == right
    found = {"accuracy": float(correct.mean()), "refused": float(said.refused.mean())}
    if not right.all():
        found["accepts_wrong"] = float(said.accepted[~right].mean())
    if right.any():
        found["rejects_right"] = float((~said.accepted[right]).mean())
    return found | {f"accuracy/{kind}": float(correct[kinds == kind].mean()) for kind in np.unique(kinds)}
