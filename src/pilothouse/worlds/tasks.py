"""Tasks of the arithmetic world from a JSONL file: one `{"prompt": "12+7=", "answer": "19"}` a line."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError
from pilothouse.worlds.arithmetic import Arithmetic


def tasks_from_jsonl(path: str | Path, *, prompt: int | None = None, longest: int | None = None) -> Batch:
    """All tasks of a file, stacked: `prompt` `(n, prompt)`, `prompt_length` `(n,)`, `answer` `(n, longest)`, int32.

    `prompt` and `longest` are the room in tokens, by default what the longest lines need but at least 5 and 3, the
    least that `Arithmetic` takes: make the world with `prompt=tasks.prompt.shape[1], longest=tasks.answer.shape[1]`.
    Blank lines are skipped. Raises `DataError` that names the file and line for a file that cannot be read, a line
    that is no JSON object with text in both fields, strange characters, and texts that do not fit.
    """
    pairs = _read(Path(path))
    prompt = prompt or max(5, *(len(asked) + 1 for _, asked, _ in pairs))
    longest = longest or max(3, *(len(answer) + 1 for _, _, answer in pairs))
    world = Arithmetic(digits=1, operations="+", prompt=prompt, longest=longest)
    tasks = []
    for line, asked, answer in pairs:
        try:
            tasks.append(world.task(asked, answer))
        except DataError as fault:
            raise DataError(f"{path}, line {line}: {fault}") from None
    return Batch(**{name: np.stack([task[name] for task in tasks]) for name in tasks[0]})


def _read(path: Path) -> list[tuple[int, str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"The task file {path} cannot be read: {fault}. Give a JSONL file in UTF-8.") from fault
    pairs = [_pair(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not pairs:
        raise DataError(f'The task file {path} is empty; expected lines such as {{"prompt": "12+7=", "answer": "19"}}.')
    return pairs


def _pair(path: Path, number: int, line: str) -> tuple[int, str, str]:
    expected = 'expected {"prompt": "12+7=", "answer": "19"}'
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as fault:
        raise DataError(f"{path}, line {number}: not JSON ({fault.msg}); {expected}.") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {type(row).__name__} in place of an object; {expected}.")
    for name in ("prompt", "answer"):
        if not isinstance(row.get(name), str):
            raise DataError(f"{path}, line {number}: {name!r} is {row.get(name, 'missing')!r}; {expected}.")
    return number, row["prompt"], row["answer"]
