"""The quickstart's report: what must be on it, from full and from hopeless results."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from pilothouse.report import write_quickstart_report
from pilothouse.report.quickstart_report import quickstart_page
from pilothouse.report.verdict import verdict


def words(html: str) -> str:
    """The text of a page, without what is not read."""
    body = re.sub(r"<(style|script)>.*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_the_verdict_comes_first_and_everything_asked_for_is_there(samples, tmp_path):
    data = samples.quickstart_data(frames=8)
    path = write_quickstart_report(tmp_path / "report.html", data)
    html = path.read_text()
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", html)
    assert titles == [
        *("Verdict", "Methods compared", "Learning offline", "Learning online", "Seed by seed", "The dataset"),
        *("One episode", "Run it again"),
    ]
    text = words(html)
    assert verdict(data).headline in text
    for wanted in (data.command, data.dataset.fingerprint, "jax 0.10.2", "IQM", "95%", "3 × random", "9,330"):
        assert wanted in text, wanted
    assert path.stat().st_size < 15_000_000


def test_hopeless_results_are_said_plainly(samples):
    text = words(quickstart_page(samples.hopeless_data()).html())
    assert "No offline method beat the average episode in the data" in text
    assert "did not pass the mark" in text and "not shown to be above" in text
    assert "No off-policy estimate was made" in text and "libEGL is missing" in text
    assert "300*" in text and "An asterisk marks a seed that diverged" in text


def test_what_is_missing_is_told(samples):
    data = samples.quickstart_data()
    bare = [replace(m, curve_steps=(), curve_returns=(), fqe=None, seconds=0.0) for m in data.methods]
    online = replace(data.online, steps=[], returns=np.zeros((0, 0)))
    empty = replace(data.dataset, levels=[], trajectory_quality=None, state_action_coverage=None)
    text = words(quickstart_page(replace(data, methods=bare, online=online, dataset=empty, stages={})).html())
    for told in ("there are no curves", "No evaluation was made", "nothing to draw", "No off-policy estimate"):
        assert told in text
    assert "nan" not in re.sub(r"[A-Za-z]*nan[a-z]+|[a-z]+nan", "", text)
    assert "No offline method was run" in words(quickstart_page(replace(data, methods=[])).html())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_do_not_break_the_page(samples, bad):
    data = samples.quickstart_data()
    broken = replace(data.methods[0], returns=np.full(5, bad), curve_returns=np.full((5, 9), bad), seconds=bad)
    html = quickstart_page(replace(data, methods=[broken, *data.methods[1:]])).html()
    assert "NaN" not in words(html) and ">nan<" not in html


def test_hostile_names_stay_text(samples):
    data, evil = samples.quickstart_data(), '<img src=x onerror="alert(1)">'
    method = replace(data.methods[0], label=evil, recipe=evil)
    dataset = replace(data.dataset, name=evil, path=evil, fingerprint=evil)
    changed = replace(data, environment=evil, command=evil, methods=[method], dataset=dataset, versions={evil: evil})
    html = quickstart_page(replace(changed, machine={evil: evil}, stages={evil: 1.0}, no_video=evil)).html()
    assert "<img" not in html and html.count("<script>") == 1
