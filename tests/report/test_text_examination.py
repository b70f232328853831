"""A language model examined whole: every part made, the page written, resumed without writing again, honest about chance."""

import json
from pathlib import Path
from typing import Any

import jax
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.texts import Writing
from pilothouse.networks.transformer import Transformer, TransformerConfig
from pilothouse.policies.language_model import LanguageModel
from pilothouse.report.examination import Examination
from pilothouse.report.examination_report import write_examination_report
from pilothouse.report.text_examination import examine_texts
from pilothouse.report.text_examination_report import TEXTS, headline
from pilothouse.worlds.arithmetic import EOS, VOCABULARY, ArithmeticWords
from pilothouse.worlds.tasks import TextTask

MODEL = LanguageModel(
    jax.tree.map(
        lambda x: 6 * x if x.ndim == 2 else x,
        Transformer(TransformerConfig(VOCABULARY, 8, 1, 2, 1, 8), key=jax.random.key(1)),
    ),
    ArithmeticWords(),
    (EOS,),
    name="<b>tiny</b>",
)
GREEDY = MODEL.write(["1+1=", "2+3=", "9-4=", "7+8=", "3*3=", "5-1="], longest=3, temperature=0.0)
# The first three are answered as the model answers them; the others wrongly, whatever it says.
TASKS = [
    TextTask(prompt, row[0].text if i < 3 else "x", i + 1)
    for i, (prompt, row) in enumerate(zip(["1+1=", "2+3=", "9-4=", "7+8=", "3*3=", "5-1="], GREEDY, strict=True))
]
WRITING = Writing(longest=3)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    folder = tmp_path_factory.mktemp("texts") / "examined"
    made = examine_texts(MODEL, TASKS, "exact", WRITING, quick=True, out=folder, command="pilothouse examine tiny")
    write_examination_report(made.page, made, TEXTS)
    return made


def test_every_part_is_made_and_right_by_construction(found: Examination) -> None:
    document = json.loads((found.folder / "examination.json").read_text())
    assert document["absent"] == {}
    assert document["return"]["mean"] == 0.5 and document["success"]["share"] == 0.5
    low, high = document["return"]["interval"]
    assert 0.1 < low < 0.5 < high < 0.9
    assert sorted(row["line"] for row in document["failures"]) == [4, 5, 6]
    assert {curve["test"] for curve in document["robustness"]} == {"temperature"}  # no letters, no gaps
    assert len(document["drives"]["prompts"]) == 6 and document["self_knowledge"]["discrimination"] is not None
    methods = {row["method"] for row in document["explanations"]}
    assert {"tokens by occlusion", "its own probability, as a forecast of being right"} <= methods


def test_the_page_says_it_and_names_are_harmless(found: Examination) -> None:
    page = found.page.read_text()
    assert "<b>tiny</b>" not in page and "answers 50% rightly" in page
    assert "Whether it knows when it is wrong" in page and "What would change it" not in page
    assert "50%" in headline(found)


def test_resuming_writes_nothing_again_and_other_tasks_are_refused(
    found: Examination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked again")

    monkeypatch.setattr("pilothouse.report.text_examination.evaluate_texts", refuse)
    again = examine_texts(MODEL, TASKS, "exact", WRITING, quick=True, out=found.folder, resume=True)
    assert again.as_json() == found.as_json()
    with pytest.raises(SettingError, match="was begun with place"):
        examine_texts(MODEL, TASKS[:4], "exact", WRITING, quick=True, out=found.folder, resume=True)


def test_one_task_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two"):
        examine_texts(MODEL, TASKS[:1], "exact", WRITING, out=tmp_path / "x")
