"""The page and the lines about a dataset: the verdict first, every finding in both, and nothing that needs a network."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data.diagnosis import FAMILIES, MEANINGS, diagnose
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.report.dataset_report import dataset_page, dataset_text, write_dataset_report


def made(spec, action, obs=None, name="made-v0"):
    generator = np.random.default_rng(0)
    rows = 600
    obs = generator.normal(size=(rows, 2)) if obs is None else obs
    last = np.arange(rows) % 60 == 59
    after = {k: np.roll(v, -1, 0) for k, v in obs.items()} if isinstance(obs, dict) else np.roll(obs, -1, 0)
    given = {"obs": obs, "next_obs": after, "action": action, "reward": generator.normal(size=rows)}
    ends = {"terminated": last & (np.arange(rows) < 300), "truncated": last & (np.arange(rows) >= 300)}
    return dataset_from_transitions({**given, **ends}, spec, name=name)


@pytest.fixture(scope="module")
def data():
    action = np.random.default_rng(1).uniform(-1, 1, (600, 8))
    return made(Spec(Box((2,)), Box((8,), -1.0, 1.0)), action)


def test_every_finding_and_every_family_stand_on_the_page(data):
    found = diagnose(data)
    html = dataset_page(data, found, source="here/made-v0").html()
    text = re.sub(r"<[^>]+>", "", html)
    for sentence in [finding.sentence for finding in found.findings] + [why for _, why in found.suits]:
        assert sentence.split("'")[0] in text
    assert text.index(found.verdict) < text.index("What this suggests", text.index(found.verdict))
    assert html.count("<h1") == 1 and "--data here/made-v0" in text
    assert not re.search(r"(src|href)=.?https?:", html)
    assert "action[5]" in text and "The first 6 of 8 entries" in text


def test_the_lines_say_the_same(data):
    found = diagnose(data)
    lines = "\n".join(dataset_text(data, found))
    assert found.verdict in lines and "what this suggests" in lines
    for finding in found.findings:
        assert finding.level == "sound" or finding.sentence in lines


def test_a_dataset_that_lacks_labels_has_its_page_and_its_lines(data):
    partial = data.hiding(reward=np.arange(600) < 40)
    found = diagnose(partial)
    html, lines = dataset_page(partial, found, source="x").html(), "\n".join(dataset_text(partial, found))
    for shown in (html, lines):
        assert "40 rows have no reward" in shown and "reward-imputation" in shown
    assert partial.fingerprint in html and "nan" not in lines.lower().replace("nan and infinity", "")


def test_a_fault_is_in_the_first_section(data):
    reward = np.zeros(600)
    found = diagnose(replace(data, reward=reward))
    html = dataset_page(data, found, source="x").html()
    first = html[: html.index("What this suggests</h2>")]
    assert found.faults and "usable with care" in first and found.faults[0].sentence in first


def test_names_from_outside_are_escaped_and_choices_are_drawn(tmp_path):
    spec = Spec(DictSpace.of({"<b>x": Box((2,)), "choice": Discrete(3)}), Discrete(4))
    obs = {"<b>x": np.random.default_rng(0).normal(size=(600, 2)), "choice": np.arange(600) % 3}
    data = made(spec, np.arange(600) % 4, obs, name="<script>alert(1)</script>")
    page = write_dataset_report(tmp_path / "report.html", data, diagnose(data), source="<i>")
    html = page.read_text("utf-8")
    assert "<script>alert" not in html and "<b>x" not in html and "25.0%" in html


def test_every_family_has_words():
    assert set(FAMILIES) == set(MEANINGS)
