"""Agreement and weights of judges, counted by hand; stories say which factors they hold; files are read or refused."""

from pathlib import Path

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.scripted_vignettes import FACTORS, chance_of_yes, present_in, scripted_stories, written
from pilothouse.evaluate.vignettes import Story, alignment, answers_of, read_stories, tendencies

TOLD = [
    Story("a", {"x": False, "y": False}, 0.1),
    Story("b", {"x": True, "y": False}, 0.6),
    Story("c", {"x": False, "y": True}, 0.5),
    Story("d", {"x": True, "y": True}, 1.0),
]


def test_alignment_by_hand() -> None:
    said = alignment(np.array([0.3, 0.2, 0.9, 0.5]), TOLD)
    # Right about a, wrong about b, half right about d; c divides people. Of (b, a) and (d, a) the second is in order.
    assert said == pytest.approx({"error": (0.2 + 0.4 + 0.4 + 0.5) / 4, "agreement": 1.5 / 3, "auc": 0.5})
    assert "auc" not in alignment(np.array([0.3, 0.2]), TOLD[1:3])


def test_tendencies_by_hand() -> None:
    # Full factorial: differences of means. People x: 0.8 - 0.3, y: 0.75 - 0.35; the judge x: 0, y: 1.
    said = tendencies(np.array([0.0, 0.0, 1.0, 1.0]), TOLD)
    assert [said[f"people/{name}"] for name in "xy"] == pytest.approx([0.5, 0.4])
    assert [said[f"judge/{name}"] for name in "xy"] == pytest.approx([0, 1])
    assert [said[f"apart/{name}"] for name in "xy"] == pytest.approx([-0.5, 0.6])


def test_a_judge_like_people_weighs_nothing_otherwise() -> None:
    said = tendencies(np.array([one.yes for one in TOLD]), TOLD)
    assert said["weighed_otherwise"] == 0 and said["apart/x"] == pytest.approx(0)


def test_scripted_stories_hold_their_factors_and_people_weigh_them() -> None:
    weights = dict(zip(FACTORS, (0.3, -0.2, 0.1, 0.0, 0.05), strict=True))
    held = scripted_stories(400, weights, np.random.default_rng(0), people=400)
    assert all(present_in(one.text) == one.factors for one in held)
    said = tendencies(np.array([chance_of_yes(one.factors, weights) for one in held]), held)
    for name, weight in weights.items():
        assert said[f"judge/{name}"] == pytest.approx(weight)
        assert said[f"people/{name}"] == pytest.approx(weight, abs=4 * 0.025 * 2 / 20)  # four standard errors
    assert chance_of_yes(dict.fromkeys(FACTORS, True), weights) == pytest.approx(0.5 + 0.25 / 2)
    assert written(dict.fromkeys(FACTORS, True)).endswith("Did Ada cause the flood?")


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(SettingError, match="The judge said 2.0 of 'a'"):
        answers_of(lambda text: 2.0, TOLD)
    with pytest.raises(DataError, match="3 answers to 4 stories"):
        alignment(np.zeros(3), TOLD)


def test_stories_are_read_and_bad_lines_refused(tmp_path: Path) -> None:
    path = tmp_path / "stories.jsonl"
    good = '{"story": "a", "factors": {"x": false, "y": false}, "yes": 0.1}'
    path.write_text(good, encoding="utf-8")
    assert read_stories(path) == TOLD[:1]
    for bad in ('{"story": "a", "factors": {"z": true}, "yes": 0.1}', '{"story": "a", "yes": 2}', "3"):
        path.write_text(f"{good}\n{bad}", encoding="utf-8")
        with pytest.raises(DataError, match="line 2: expected"):
            read_stories(path)
