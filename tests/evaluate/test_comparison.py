"""Comparing methods on a tiny dataset: whole, killed and resumed, diverged, tied, none, tuned, on a budget."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.errors import OutputError, SettingError, SpaceError
from pilothouse.evaluate import comparison
from pilothouse.evaluate.comparison import Comparison, Plan, compare
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.report.comparison_report import comparison_page
from pilothouse.train import work_folder
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import DataSource

SMALL = {"width": 8, "batch": 8, "depth": 1}
PLAN = Plan(steps=30, seeds=2, episodes=2, fitted_updates=20)


def source(world: bool = True, steps: int = 1_200) -> DataSource:
    return DataSource(mixed_pendulum(random=steps, poor=0, good=0), world_source("pendulum") if world else None)


def bounds(**changed: Any) -> list[Any]:
    return [load_recipe("bc")(**SMALL), load_recipe("td3bc")(**SMALL, **changed)]


def untimed(document: Any) -> Any:
    """Without what depends on the clock or the place."""
    if isinstance(document, dict):
        return {k: untimed(v) for k, v in document.items() if k not in ("seconds", "run", "report")}
    return [untimed(v) for v in document] if isinstance(document, list) else document


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(bounds(), source(), PLAN, out=tmp_path_factory.mktemp("whole") / "out")


def test_the_document_is_whole(whole: Comparison) -> None:
    document = json.loads(json.dumps(whole.as_json(), allow_nan=False))
    assert [row["recipe"] for row in document["methods"]] == ["bc", "td3bc"]
    for row in document["methods"]:
        assert [seed["seed"] for seed in row["per_seed"]] == [0, 1]
        low, high = row["return"]["interval"]
        assert low <= row["return"]["iqm"] <= high < 0
        assert row["fqe"]["interval"][0] <= row["fqe"]["estimate"] <= row["fqe"]["interval"][1]
        assert isinstance(row["fqe"]["trusted"], bool) and bool(row["fqe"]["reason"]) != row["fqe"]["trusted"]
        assert row["seconds"] > 0 and row["diverged"] is False and row["steps"] == 30
    answer = document["recommendation"]
    assert (answer["recipe"] in ("bc", "td3bc")) != (len(answer["tie"]) == 2) and 0 <= answer["confidence"] <= 1
    chances = document["improvement"]
    assert chances["bc"]["td3bc"] + chances["td3bc"]["bc"] == 1.0
    assert json.loads((whole.folder / "comparison.json").read_text()) == document
    assert not list(whole.folder.glob("**/.*"))


def test_policies_are_kept(whole: Comparison) -> None:
    from pilothouse.evaluate.episodes import evaluate_policy
    from pilothouse.train.policy_files import load

    place = whole.folder / "policies" / "bc" / "seed-1"
    again = evaluate_policy(load(place), world_source("pendulum"), episodes=2)
    measured = whole.outcomes[0].returns
    assert measured is not None and again.mean == pytest.approx(measured[1].mean(), rel=1e-4)


class Killed(BaseException):
    """As sudden as a signal: nothing catches it."""


def dying(original: Callable[..., Any], after: int, before_the_write: bool) -> Callable[..., Any]:
    calls = [0]

    def write(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == after and before_the_write:
            raise Killed
        answer = original(*given, **named)
        if calls[0] == after:
            raise Killed
        return answer

    return write


@pytest.mark.parametrize(("after", "before"), [(2, True), (4, False)])
def test_killed_between_two_files_and_resumed(
    whole: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, before: bool
) -> None:
    """Files are written whole or not at all, so dying at one is dying anywhere before or after it."""
    with monkeypatch.context() as patch:
        patch.setattr(work_folder, "write_json", dying(work_folder.write_json, after, before))
        with pytest.raises(Killed):
            compare(bounds(), source(), PLAN, out=tmp_path / "out")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "methods").glob("*/*.json")}
    again = compare(bounds(), source(), PLAN, out=tmp_path / "out", resume=True)
    assert untimed(again.as_json()) == untimed(whole.as_json())
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())


def test_resumed_when_finished_repeats_nothing(whole: Comparison, tmp_path: Path, monkeypatch: Any) -> None:
    shutil.copytree(whole.folder, tmp_path / "out")

    def never(*given: Any, **named: Any) -> Any:
        raise AssertionError("finished work was repeated")

    for name in ("Groups", "learn_in", "evaluate_offline", "evaluation"):
        monkeypatch.setattr(comparison, name, never)
    said: list[str] = []
    again = compare(bounds(), source(), PLAN, out=tmp_path / "out", resume=True, tell=said.append)
    assert untimed(again.as_json()) == untimed(whole.as_json()) and "already finished" in said[0]


def test_other_settings_are_refused_and_a_used_folder_too(whole: Comparison) -> None:
    with pytest.raises(OutputError, match="not empty"):
        compare(bounds(), source(), PLAN, out=whole.folder)
    with pytest.raises(SettingError, match="begun with recipes bc td3bc"):
        compare(bounds()[:1], source(), PLAN, out=whole.folder, resume=True)
    with pytest.raises(SettingError, match="seeds=2"):
        compare(bounds(), source(), replace(PLAN, seeds=3), out=whole.folder, resume=True)
    (whole.folder.parent / "other").mkdir(exist_ok=True)
    (whole.folder.parent / "other" / "file").touch()
    with pytest.raises(OutputError, match="none of `pilothouse compare`"):
        compare(bounds(), source(), PLAN, out=whole.folder.parent / "other", resume=True)


@pytest.mark.parametrize(
    ("recipes", "plan", "words"),
    [
        ([], {}, "No methods"),
        (["bc", "bc"], {}, "named twice"),
        (["dqn"], {}, "learns from an environment"),
        (["bc"], {"steps": 0}, "steps=0"),
        (["bc"], {"episodes": 0}, "episodes=0"),
        (["bc"], {"budget": -1.0}, "budget"),
    ],
)
def test_input_at_fault_is_refused_before_anything_is_written(
    tmp_path: Path, recipes: list[str], plan: dict[str, Any], words: str
) -> None:
    with pytest.raises((SettingError, SpaceError), match=words):
        compare([load_recipe(name)() for name in recipes], source(), replace(PLAN, **plan), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_method_that_diverges_is_said_so_and_stops_no_other(tmp_path: Path) -> None:
    found = compare(bounds(lr=1e30), source(), PLAN, out=tmp_path / "out")
    bc, td3bc = found.as_json()["methods"]
    assert td3bc["diverged"] is True and td3bc["faults"] and not bc["diverged"]
    assert found.recommendation.recipe == "bc" and found.outcomes[1].candidate().broken
    assert "diverged" in comparison_page(found).html()


def test_without_an_environment_and_without_trust_the_answer_is_none(tmp_path: Path) -> None:
    found = compare(bounds()[:1], source(world=False, steps=150), replace(PLAN, seeds=1), out=tmp_path / "out")
    document = found.as_json()
    assert document["methods"][0]["return"] is None and document["env"] is None
    assert document["methods"][0]["fqe"]["trusted"] is False
    answer = document["recommendation"]
    assert answer["recipe"] is None and answer["tie"] == [] and answer["confidence"] is None
    assert "single episode" in answer["sentence"] and "would settle it" in answer["sentence"]
    page = comparison_page(found).html()
    assert "Measured returns" not in page and "single episode" in page


def test_tuned_on_so_many_episodes(tmp_path: Path) -> None:
    plan = replace(PLAN, tune=True, seeds=1, grid={"lr": (1e-4, 1e-2)}, tuned_on=7)
    found = compare(bounds()[:1], source(), plan, out=tmp_path / "out")
    row = found.as_json()["methods"][0]
    assert row["tuned"]["episodes"] == 7 and row["tuned"]["settings"]["lr"] in (1e-4, 1e-2)
    assert row["settings"]["lr"] == row["tuned"]["settings"]["lr"] and len(row["per_seed"]) == 1
    outcome = found.outcomes[0]
    assert outcome.returns is not None and outcome.returns.shape == (2, 2)
    best = outcome.returns.mean(axis=1).max()
    assert math.isfinite(row["tuned"]["return"]) and row["tuned"]["return"] <= best + 1e-6
    assert "tuned on 7 episodes" in found.recommendation.sentence
    assert "What tuning is worth" in comparison_page(found).html()


def test_a_budget_buys_updates_and_says_how_many(tmp_path: Path) -> None:
    said: list[str] = []
    plan = replace(PLAN, steps=40, budget=600.0)
    found = compare(bounds()[:1], source(world=False), plan, out=tmp_path / "out", tell=said.append)
    assert found.steps == 40  # the most that was asked for
    assert any("600 s buy 40 updates" in line for line in said)
    with pytest.raises(SettingError, match="does not pay"):
        compare(bounds()[:1], source(world=False), replace(plan, budget=1e-6), out=tmp_path / "poor")
    assert not (tmp_path / "poor").exists()
