"""What is found in a folder, what is said of each run, and that no name reaches outside."""

import fcntl
import json
import threading
from pathlib import Path

import pytest
from made_runs import make_run

from pilothouse.core.errors import DataError, OutputError
from pilothouse.report.view import folder as module
from pilothouse.report.view.folder import Folder, summarise
from pilothouse.train.run import lock


def test_runs_reports_and_datasets_are_told_apart(tmp_path: Path) -> None:
    make_run(tmp_path / "a" / "deep" / "one")
    make_run(tmp_path / "two", recipe="iql", source={"data": "/somewhere/else/mine-v0", "evaluation": None})
    (tmp_path / "two" / "policy" / "seed-0").mkdir(parents=True)
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "report.html").write_text("<p>")
    (tmp_path / "sets" / "mine-v0" / "data").mkdir(parents=True)
    (tmp_path / "sets" / "mine-v0" / "data" / "metadata.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    make_run(tmp_path / ".hidden" / "three")
    found = Folder(tmp_path).scan()
    assert {run.name for run in found.runs} == {"a/deep/one", "two"}
    assert {run.source for run in found.runs} == {"cartpole", "mine-v0"}
    assert found.reports == ("q/report.html",) and found.datasets == ("sets/mine-v0",) and not found.cut


def test_a_summary_says_how_far_and_how_well(tmp_path: Path) -> None:
    run = summarise(make_run(tmp_path / "one", steps=7, seeds=3), "one")
    assert (run.step, run.planned, run.seeds, run.state, run.diverged) == (7, 7, 3, "finished", 0)
    assert run.returns == (7.0, 17.0, 27.0) and run.mean_return == 17.0
    half = summarise(make_run(tmp_path / "two", steps=7, planned=100), "two")
    assert half.state == "stopped" and half.step == 7


def test_the_last_return_counts_and_damaged_lines_do_not(tmp_path: Path) -> None:
    place = make_run(tmp_path / "one", steps=3, seeds=1)
    with (place / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "seed": 0, "evaluation/return": 99.0, "diverged": true}\n')
        file.write('{"step": 5, "seed": 0, "evaluation/return": null}\nnot json\n{"step": 6, "se')
    run = summarise(place, "one")
    assert run.returns == (99.0,) and run.step == 5 and run.diverged == 1


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL", 400)
    run = summarise(make_run(tmp_path / "one", steps=500, seeds=2), "one")
    assert run.step == 500 and run.returns == (500.0, 510.0)


def test_a_held_lock_means_running(tmp_path: Path) -> None:
    place = make_run(tmp_path / "one", steps=3, planned=100)
    with open(place / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert summarise(place, "one").state == "running"
    assert summarise(place, "one").state == "stopped"


def test_what_is_broken_is_listed_and_says_so(tmp_path: Path) -> None:
    place = make_run(tmp_path / "one")
    (place / "config.json").write_text("[1, 2")
    (run,) = Folder(tmp_path).scan().runs
    assert "cannot be read" in run.damaged and run.recipe == "one"
    place = make_run(tmp_path / "two")
    (place / "config.json").write_text(json.dumps({"recipe": 7, "plan": 3, "source": [], "seeds": "x"}))
    assert {run.recipe for run in Folder(tmp_path).scan().runs} == {"one", "7"}


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/../../x", "a//b", "", "a\\b", "a/./b", "x\0y", "out"])
def test_no_name_reaches_outside(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    make_run(tmp_path / "outside")
    (root / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="not within"):
        Folder(root).inside(name)
    assert Folder(root).scan().runs == ()  # links are not followed


def test_a_huge_folder_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        make_run(tmp_path / f"run-{number}", steps=1, seeds=1)
    monkeypatch.setattr(module, "MOST_FOLDERS", 4)
    found = Folder(tmp_path).scan()
    assert found.cut and 0 < len(found.runs) < 6


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="There is no folder"):
        Folder(tmp_path / "nothing")


def test_a_glance_at_the_lock_does_not_keep_a_run_from_beginning(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    with open(tmp_path / ".lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        threading.Timer(0.03, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
        lock(tmp_path).close()
    with open(tmp_path / ".lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(OutputError, match="in use"):
            lock(tmp_path)
