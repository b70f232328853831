"""Tasks for text from a JSONL file: one `{"prompt": "12+7=", "answer": "19"}` a line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError
from pilothouse.worlds.arithmetic import Arithmetic

PROMPTS, ANSWERS = ("prompt", "question", "problem"), ("answer", "target", "solution")
"""What the two fields of a line may be called: as here, or as GSM8K, MATH and their like call them."""


@dataclass(frozen=True)
class TextTask:
    """What is asked and what is to be answered, in the file's own words, and the line that they stand in."""

    prompt: str
    answer: str
    line: int = 0


def tasks_from_jsonl(path: str | Path, *, prompt: int | None = None, longest: int | None = None) -> Batch:
    """All tasks of a file, stacked: `prompt` `(n, prompt)`, `prompt_length` `(n,)`, `answer` `(n, longest)`, int32.

    `prompt` and `longest` are the room in tokens, by default what the longest lines need but at least 5 and 3, the
    least that `Arithmetic` takes: make the world with `prompt=tasks.prompt.shape[1], longest=tasks.answer.shape[1]`.
    Blank lines are skipped. Raises `DataError` that names the file and line for a file that cannot be read, a line
    that is no JSON object with text in both fields, strange characters, and texts that do not fit.
    """
    given = read_tasks(path)
    prompt = prompt or max(5, *(len(task.prompt) + 1 for task in given))
    longest = longest or max(3, *(len(task.answer) + 1 for task in given))
    world = Arithmetic(digits=1, operations="+", prompt=prompt, longest=longest)
    tasks = []
    for task in given:
        try:
            tasks.append(world.task(task.prompt, task.answer))
        except DataError as fault:
            raise DataError(f"{path}, line {task.line}: {fault}") from None
    return Batch(**{name: np.stack([task[name] for task in tasks]) for name in tasks[0]})


def read_tasks(path: str | Path) -> list[TextTask]:
    """All tasks of a file, as text. Blank lines are skipped.

    The prompt is called `prompt`, `question` or `problem`; the answer, `answer`, `target` or `solution`. Raises
    `DataError` that names the file and line for a file that cannot be read or is empty, and for a line that is no JSON
    object with text in both fields.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"The task file {path} cannot be read: {fault}. Give a JSONL file in UTF-8.") from fault
    tasks = [_task(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not tasks:
        raise DataError(f'The task file {path} is empty; expected lines such as {{"prompt": "12+7=", "answer": "19"}}.')
    return tasks


def _task(path: Path, number: int, line: str) -> TextTask:
    expected = 'expected {"prompt": "12+7=", "answer": "19"}'
    try:
        row: Any = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as fault:
        raise DataError(f"{path}, line {number}: not JSON ({getattr(fault, 'msg', fault)}); {expected}.") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {type(row).__name__} in place of an object; {expected}.")
    found = []
    for names in (PROMPTS, ANSWERS):
        name = next((name for name in names if name in row), names[0])
        if not isinstance(row.get(name), str):
            raise DataError(f"{path}, line {number}: {name!r} is {row.get(name, 'missing')!r}; {expected}.")
        found.append(row[name])
    return TextTask(found[0], found[1], number)
