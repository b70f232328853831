"""Questions about events to come, forecasts of them beside a crowd's, and what they were worth."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import DataError, SettingError
from pilothouse.statistics import paired_difference_interval
from pilothouse.statistics.proper_scores import brier_scores

Forecaster = Callable[[str], float]
"""`forecaster(question) -> the probability that it happens`."""


class Question(NamedTuple):
    """A question in words, the probabilities that people gave, and whether it happened."""

    text: str
    crowd: tuple[float, ...]
    happened: bool


def read_questions(path: str | Path) -> list[Question]:
    """Questions from a JSONL file: `{"question": "…?", "crowd": [0.7, 0.8], "happened": true}` a line.

    `crowd` may be one number, the crowd's median. Raises `DataError` that names file and line for anything else.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"{path} cannot be read: {fault}. Give a JSONL file in UTF-8.") from fault
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            crowd = np.atleast_1d(np.asarray(row["crowd"], np.float64))
            whole = isinstance(row["question"], str) and row["happened"] in (True, False) and crowd.size > 0
            if not whole or not ((crowd >= 0) & (crowd <= 1)).all():
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DataError(
                f'{path}, line {number}: expected {{"question": "…?", "crowd": [0.7, 0.8], "happened": true}}, '
                "probabilities from 0 to 1."
            ) from None
        found.append(Question(row["question"], tuple(crowd.tolist()), bool(row["happened"])))
    if not found:
        raise DataError(f"{path} holds no questions.")
    return found


def forecasts_of(forecaster: Forecaster, questions: Sequence[Question]) -> Float[np.ndarray, " question"]:
    """What the forecaster says of each, seeing the words alone. Raises `SettingError` for anything but a probability."""
    said = np.array([float(forecaster(one.text)) for one in questions])
    if not ((said >= 0) & (said <= 1)).all():
        wrong = int(np.argmin((said >= 0) & (said <= 1)))
        raise SettingError(f"Forecast {said[wrong]} of {questions[wrong].text!r}; expected a probability from 0 to 1.")
    return said


def extremised(forecasts: Float[np.ndarray, " question"], times: float = 2.0) -> Float[np.ndarray, " question"]:
    """Forecasts pushed away from 1/2: their log-odds that many times as large."""
    yes, no = forecasts**times, (1 - forecasts) ** times
    return yes / (yes + no)


def tournament(said: Float[np.ndarray, " question"], questions: Sequence[Question]) -> Mapping[str, float | int]:
    """Forecasts against the crowd's median and against always saying 1/2, in paired differences of Brier scores.

    `brier`, `brier/crowd`, `brier/half`; `over_crowd` and `over_half`, how much worse (positive) it is than those, and
    `…/half_width` of the 95% intervals. Does it hug the midpoint? `nearer_half`: how much nearer to 1/2 its forecasts lie
    than the crowd's; `extremised`: how much its score falls (positive: improves) when its log-odds are doubled, which is
    what helps one who sees rightly and says too little. Raises `DataError` for fewer than two questions.
    """
    if len(questions) < 2 or len(said) != len(questions):
        raise DataError(f"{len(said)} forecasts of {len(questions)} questions; give one each of two or more.")
    happened = np.array([one.happened for one in questions], np.float64)
    crowd = np.array([float(np.median(one.crowd)) for one in questions])
    own, theirs, half = (brier_scores(one, happened) for one in (said, crowd, np.full(len(said), 0.5)))
    found: dict[str, float | int] = {"questions": len(said), "brier": float(own.mean())}
    found |= {"brier/crowd": float(theirs.mean()), "brier/half": float(half.mean())}
    for name, (one, other) in {
        "over_crowd": (own, theirs),
        "over_half": (own, half),
        "nearer_half": (np.abs(crowd - 0.5), np.abs(said - 0.5)),
        "extremised": (own, brier_scores(extremised(said), happened)),
    }.items():
        found |= {
            name: float((one - other).mean()),
            f"{name}/half_width": paired_difference_interval(one, other).half_width,
        }
    return found
