"""Accuracy, its interval and pass@k of verified completions: by hand, against counting, and with a model that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.texts import TextEvaluation, Writing, evaluate_texts
from pilothouse.networks.transformer import Transformer, TransformerConfig
from pilothouse.policies.language_model import LanguageModel, Written
from pilothouse.worlds.arithmetic import EOS, VOCABULARY, ArithmeticWords
from pilothouse.worlds.tasks import TextTask

TINY = Transformer(TransformerConfig(VOCABULARY, 8, 1, 2, 1, 8), key=jax.random.key(0))
TASKS = [TextTask("1+1=", "2"), TextTask("2+3=", "5"), TextTask("9-4=", "5")]


@dataclass(frozen=True)
class Remembering(LanguageModel):
    """Writes what it was told to write behind each prompt, one after another."""

    answers: Any = None

    def write(self, prompts: Sequence[str], *, samples: int = 1, **_: Any) -> list[list[Written]]:
        return [[Written(text, (3,), (-1.0,), True) for text in self.answers[p][:samples]] for p in prompts]


def remembering(answers: dict[str, list[str]]) -> LanguageModel:
    return Remembering(TINY, ArithmeticWords(), (EOS,), answers=answers)


def test_accuracy_and_pass_at_k_by_hand() -> None:
    model = remembering({"1+1=": ["2", "2", "3", "2"], "2+3=": ["4", "4", "4", "5"], "9-4=": ["1", "1", "1", "1"]})
    found = evaluate_texts(model, TASKS, "exact", Writing(samples=4))
    assert found.accuracy == pytest.approx(4 / 12)
    # One of two draws is right: always of 3 in 4; of 1 in 4, 3 pairs of 6; of none, never.
    assert found.pass_at == pytest.approx({1: 4 / 12, 2: (1 + 0.5 + 0) / 3, 4: 2 / 3})
    document = found.as_json()
    assert document["returns"] == [0.75, 0.25, 0.0] and document["episodes"] == 3
    assert document["success"] == document["mean"] == found.accuracy
    assert "pass@4 66.7%" in str(found)


def test_a_model_of_ours_is_asked_in_its_own_characters() -> None:
    model = LanguageModel(TINY, ArithmeticWords(), (EOS,))
    found = evaluate_texts(model, TASKS, "exact", Writing(samples=3, longest=4, seed=1))
    assert found.scores.shape == (3, 3)
    again = evaluate_texts(model, TASKS, "exact", Writing(samples=3, longest=4, seed=1))
    assert again.as_json() == found.as_json()
    texts = {one.text for row in found.written for one in row}
    assert len(texts) > 1 and all(set(text) <= set("0123456789+-*=") for text in texts)
    assert isinstance(found, TextEvaluation) and found.unended == np.mean(
        [not one.ended for row in found.written for one in row]
    )


def test_one_completion_is_the_likeliest_and_several_are_drawn() -> None:
    assert Writing().heat == 0.0 and Writing(samples=2).heat == 1.0 and Writing(temperature=0.7).heat == 0.7


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"longest": 0}, {"temperature": -1.0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="expected"):
        Writing(**wrong)
    with pytest.raises(SettingError, match="No tasks"):
        evaluate_texts(remembering({}), [], "exact")


def test_tasks_may_be_called_as_others_call_them(tmp_path: Path) -> None:
    from pilothouse.worlds.tasks import read_tasks

    path = tmp_path / "tasks.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n\n{"problem": "c", "solution": "d"}\n')
    assert read_tasks(path) == [TextTask("a", "b", 1), TextTask("c", "d", 3)]
