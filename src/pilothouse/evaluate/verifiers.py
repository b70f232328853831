"""Verifiers: what a completion is worth, given the answer that was wanted. 1 is right, 0 is wrong."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from pilothouse.core.errors import MissingExtraError, SettingError, UnknownNameError, nearest
from pilothouse.worlds.tasks import TextTask

Verifier = Callable[[TextTask, str], float]
"""`(task, completion) -> [0, 1]`."""

NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+")


def exact(task: TextTask, completion: str) -> float:
    """The completion is the answer, whatever white space stands around either."""
    return float(completion.strip() == task.answer.strip())


def contains(task: TextTask, completion: str) -> float:
    """The answer stands somewhere in the completion, in whatever case."""
    return float(task.answer.strip().casefold() in completion.casefold())


def number(task: TextTask, completion: str) -> float:
    """The last number of the completion equals the last number of the answer (`#### 1,200` and `1200.0` are equal).

    Raises `SettingError` for an answer without a number.
    """
    wanted = last_number(task.answer)
    if wanted is None:
        raise SettingError(
            f"Line {task.line}: the answer {task.answer!r} has no number; the verifier `number` compares numbers."
        )
    return float(last_number(completion) == wanted)


def last_number(text: str) -> Decimal | None:
    """The last number of a text, with thousands apart by commas or not; None if it has none."""
    found = NUMBER.findall(text)
    try:
        return Decimal(found[-1].replace(",", "")) if found else None
    except InvalidOperation:  # digits of other scripts that Decimal does not take together
        return None


def math(task: TextTask, completion: str) -> float:
    """The completion's last expression equals the answer's, as mathematics: `1/2`, `0.5` and `\\frac12` are equal.

    By math-verify. Raises `MissingExtraError` without it.
    """
    try:
        from math_verify import parse, verify
    except ModuleNotFoundError as missing:
        raise MissingExtraError("The verifier `math`", "math") from missing
    # Answers are often bare LaTeX, which is found between dollar signs only.
    wanted = parse(task.answer) or parse(f"${task.answer}$")
    return float(verify(wanted, parse(completion)))


VERIFIERS: dict[str, Verifier] = {"exact": exact, "contains": contains, "number": number, "math": math}


def verifier_named(name: str) -> Verifier:
    """A verifier of ours, or `module:function`: a function of (prompt, completion, answer), true or in [0, 1].

    Raises `UnknownNameError` for a name that is neither, and, when it is asked, `SettingError` for a function that
    fails or gives anything else.
    """
    if name in VERIFIERS:
        return VERIFIERS[name]
    if ":" not in name:
        known = ", ".join(VERIFIERS)
        raise UnknownNameError(f"No verifier {name!r}: {known}, or module:function.{nearest(name, VERIFIERS)}")
    from pilothouse.policies.foreign.modules import named_in_module

    function: Any = named_in_module("--verifier", name)

    def verify(task: TextTask, completion: str) -> float:
        try:
            worth = float(function(task.prompt, completion, task.answer))
        except Exception as fault:
            raise SettingError(f"The verifier {name} raised {type(fault).__name__}: {fault}") from fault
        if not 0 <= worth <= 1:
            raise SettingError(f"The verifier {name} gave {worth}; expected 0 (wrong) to 1 (right).")
        return worth

    return verify
