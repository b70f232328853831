"""The report of a run folder: whole, half-written, damaged and empty."""

import json
import os
import re

import pytest

from pilothouse.core.errors import DataError, OutputError
from pilothouse.report import write_run_report
from pilothouse.report.metrics_file import read_metrics
from pilothouse.report.run_report import MOST_CHARTS, return_name, run_page


def words(html: str) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def rows(folder, *lines: object):
    (folder / "metrics.jsonl").write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return folder


def test_a_whole_run(samples, tmp_path):
    path = write_run_report(samples.write_run(tmp_path / "run"))
    assert path == tmp_path / "run" / "report.html"
    html, text = path.read_text(), words(path.read_text())
    assert "sac on HalfCheetah-v5" in text and "after 60,000 steps" in text
    assert "A loss turned infinite or NaN in seed 4" in text
    assert "pilothouse train sac --env HalfCheetah-v5 --seeds 5 --steps 60000" in text
    assert "jax 0.10.2" in text and "settings.batch" in text and "actor/loss" in text
    assert html.count("<h1>") == 1 and len(re.findall("<figure", html)) == 5
    assert "seed 0 60,000" in text and "2 min 8 s" in text


def test_writing_twice_gives_the_same_bytes(samples, tmp_path):
    folder = samples.write_run(tmp_path / "run", lines=6)
    assert write_run_report(folder).read_bytes() == write_run_report(folder).read_bytes()


def test_no_metrics(samples, tmp_path):
    folder = samples.write_run(tmp_path / "run")
    (folder / "metrics.jsonl").unlink()
    text = words(run_page(folder).html())
    assert "metrics.jsonl is missing" in text.replace("  ", " ") or "is missing: there is nothing to draw" in text
    assert "pilothouse train sac" in text


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_config_is_said(samples, tmp_path, content):
    folder = samples.write_run(tmp_path / "run", lines=6)
    (folder / "config.json").write_bytes(content)
    text = words(run_page(folder).html())
    assert "cannot be read: settings, versions and the command are not known" in text and "Losses" in text


def test_damaged_lines_are_counted_and_the_rest_is_shown(tmp_path):
    good = {"step": 1, "seed": 0, "return": 5.0}
    bad = ("{", "[]", '{"seed": 0}', '{"step": "x", "seed": 0}', '{"step": -1, "seed": 0}', '{"step": true}', "1")
    text = words(run_page(rows(tmp_path, good, *bad, '{"step": 2, "se')).html())
    assert "8 lines of" in text and "Return 5.00 after 1 steps" in text


def test_no_return_and_nothing_at_all(tmp_path):
    assert "No return was measured" in words(run_page(rows(tmp_path, {"step": 1, "seed": 0, "loss": 1})).html())
    assert "holds no numbers yet" in words(run_page(rows(tmp_path)).html())


def test_what_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="There is no run folder"):
        write_run_report(tmp_path / "none")
    with pytest.raises(DataError, match="neither config.json nor metrics.jsonl"):
        write_run_report(tmp_path)
    assert not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_written_to(samples, tmp_path):
    folder = samples.write_run(tmp_path / "run", lines=6)
    (folder / "report.html").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_run_report(folder)


def test_hostile_names_and_values_stay_text(tmp_path):
    evil = "<script>alert(1)</script>"
    (tmp_path / "config.json").write_text(
        json.dumps({"recipe": evil, "env": evil, "command": [evil, "--a b"], evil: {evil: evil}, "versions": {evil: 1}})
    )
    html = run_page(rows(tmp_path, {"step": 1, "seed": 0, evil: 1.0, f"{evil}/loss": 2, f"{evil}/return": 3})).html()
    assert html.count("<script>") == 1 and "alert(1)" in words(html)


def test_many_metrics_and_seeds_stay_small(tmp_path):
    names = [f"group/metric_{i}" for i in range(40)] + [f"part_{i}/loss" for i in range(40)]
    lines = [
        {"step": step * 10, "seed": seed, **{name: step * 0.1 + seed for name in names}, "evaluation/return": step}
        for seed in range(40)
        for step in range(60)
    ]
    page = run_page(rows(tmp_path, *lines)).html()
    assert len(page) < 15_000_000
    assert page.count("<figure") == 2 * MOST_CHARTS + 2
    assert "Not drawn, but in" in words(page)


def test_the_newest_small_video_is_shown(samples, tmp_path):
    folder = samples.write_run(tmp_path / "run", lines=6)
    (folder / "episodes").mkdir()
    (folder / "episodes" / "a.gif").write_bytes(b"GIF89a1")
    (folder / "episodes" / "b.gif").write_bytes(b"GIF89a2")
    (folder / "episodes" / "c.mp4").write_bytes(b"x" * 5_000_000)
    assert "data:image/gif;base64,R0lGODlhMg==" in run_page(folder).html()


def test_metrics_are_read_per_seed_the_last_of_a_step_counts_and_null_is_nan(tmp_path):
    rows(
        tmp_path,
        {"step": 10, "seed": 1, "a": 1, "timing": {"seconds": 3}},
        {"step": 10, "seed": 1, "a": 2, "flag": True, "text": "x", "huge": 10**400},
        {"step": 5, "seed": 1, "a": None},
        '{"step": 7, "seed": 0, "a": NaN, "b": Infinity, "diverged": true}',
    )
    metrics = read_metrics(tmp_path / "metrics.jsonl")
    assert metrics.seeds == [0, 1] and set(metrics.lines) == {"a", "b"} and metrics.diverged == {0}
    steps, values = metrics.lines["a"][1]
    assert list(steps) == [5, 10] and values[1] == 2 and values[0] != values[0]
    assert metrics.timing == {"seconds": {1: 3.0}} and not metrics.damaged


def test_which_metric_is_the_return(tmp_path):
    names = {"step": 1, "seed": 0, "z/return": 1, "loss": 1}
    assert return_name(read_metrics(rows(tmp_path, names) / "metrics.jsonl")) == "z/return"
    assert (
        return_name(read_metrics(rows(tmp_path, names | {"evaluation/return": 1}) / "metrics.jsonl"))
        == "evaluation/return"
    )
    assert return_name(read_metrics(rows(tmp_path, {"step": 1, "return_std": 1}) / "metrics.jsonl")) is None
