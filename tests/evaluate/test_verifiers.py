"""What counts as right: white space, case, numbers, mathematics, a user's own function; and what is refused."""

from decimal import Decimal
from pathlib import Path

import pytest

from pilothouse.core.errors import SettingError, UnknownNameError
from pilothouse.evaluate.verifiers import last_number, verifier_named
from pilothouse.worlds.tasks import TextTask


@pytest.mark.parametrize(
    ("verifier", "answer", "completion", "right"),
    [
        ("exact", "19", " 19\n", True),
        ("exact", "19", "19.", False),
        ("exact", "", "  ", True),
        ("contains", "Paris", "It is PARIS, of course.", True),
        ("contains", "Paris", "Pari s", False),
        ("number", "#### 1,200", "so the total is 1200.0", True),
        ("number", "72", "72 at first, then 73", False),
        ("number", "-3", "the answer is -3.", True),
        ("number", "0.5", "it is .5", True),
        ("number", "7", "no number here", False),
        ("number", "10", "1 0", False),
    ],
)
def test_right_and_wrong_by_hand(verifier: str, answer: str, completion: str, right: bool) -> None:
    assert verifier_named(verifier)(TextTask("?", answer), completion) == float(right)


def test_mathematics_in_other_words_is_equal() -> None:
    pytest.importorskip("math_verify")
    verify = verifier_named("math")
    for completion, right in (("$\\frac{1}{2}$", 1.0), ("the result is 0.5", 1.0), ("$1/3$", 0.0), ("nothing", 0.0)):
        assert verify(TextTask("?", "1/2"), completion) == right
    assert verify(TextTask("?", "x^2+2x+1"), "$(x+1)^2$") == 1.0


def test_the_last_number_is_read_as_it_stands() -> None:
    assert last_number("1,234,567.25 and 12,34") == Decimal(34)
    assert last_number("+4") == Decimal(4)
    assert last_number("none") is None


def test_an_answer_without_a_number_cannot_be_compared() -> None:
    with pytest.raises(SettingError, match="Line 4: the answer 'seven' has no number"):
        verifier_named("number")(TextTask("?", "seven", 4), "7")


def test_a_function_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "judge_of_texts.py").write_text(
        "def half(prompt, completion, answer): return 0.5 if prompt + answer == completion else 0\n"
        "def odd(prompt, completion, answer): return float(completion)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert verifier_named("judge_of_texts:half")(TextTask("a", "b"), "ab") == 0.5
    odd = verifier_named("judge_of_texts:odd")
    for given in ("2", "nan"):
        with pytest.raises(SettingError, match=r"expected 0 \(wrong\) to 1"):
            odd(TextTask("a", "b"), given)
    with pytest.raises(SettingError, match="raised ValueError"):
        odd(TextTask("a", "b"), "word")
    for name, message in (("exat", "Did you mean 'exact'"), ("judge_of_texts:none", "has no 'none'")):
        with pytest.raises(UnknownNameError, match=message):
            verifier_named(name)
