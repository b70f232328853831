"""The app over its own client: every page, every wrong address, and who may not look."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import make_run
from starlette.testclient import TestClient

from pilothouse.report.view.app import COOKIE, make_app
from pilothouse.report.view.curves import curve_document
from pilothouse.report.view.pages_runs import PER_PAGE

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_run(tmp_path / "fast", settings={"lr": 0.01})
    make_run(tmp_path / "slow", recipe="iql", settings={"lr": 0.001})
    (tmp_path / "report.html").write_text("<p>a report</p>")
    return tmp_path


def client(root: Path, **more: object) -> TestClient:
    return TestClient(make_app(root, **more), base_url="http://127.0.0.1:8420")


def test_every_page_answers(root: Path) -> None:
    view = client(root)
    for address, word in {
        "/": "fast",
        "/?q=iql": "slow",
        "/?state=finished&sort=return": "2 runs",
        "/run?name=fast": "evaluation/return",
        "/compare?run=fast&run=slow": "Settings that differ",
        "/compare": "No runs were ticked",
        "/papers": "proximal policy",
        "/papers?verdict=shown": "PPO",
        "/papers/iql": "Implicit",
        "/papers/ppo": "pilothouse reproduce ppo",
        "/datasets": "no datasets",
        "/report?name=report.html": "a report",
        "/static/view.css": "--accent",
        "/static/view.js": "use strict",
    }.items():
        answer = view.get(address)
        assert answer.status_code == 200, address
        assert word.lower() in answer.text.lower(), address
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src" in answer.headers["content-security-policy"]


def test_filtering_leaves_what_matches(root: Path) -> None:
    assert "slow" in client(root).get("/?q=iql cartpole").text
    assert "name=fast" not in client(root).get("/?q=iql").text
    assert "No run matches" in client(root).get("/?q=nothing-of-the-kind").text


def test_curves_are_the_middle_of_the_seeds(root: Path) -> None:
    answer = client(root).get("/api/curves?run=fast&run=slow&metric=evaluation/return").json()
    assert [run["label"] for run in answer["runs"]] == ["fast", "slow"]
    assert answer["metrics"][0] == "evaluation/return" and "loss" in answer["metrics"]
    first = answer["runs"][0]
    np.testing.assert_allclose(first["center"], np.arange(1, 11) + 5.0)
    assert first["steps"] == list(range(1, 11)) and len(first["seeds"]) == 2
    assert all(
        low <= middle <= high for low, middle, high in zip(first["low"], first["center"], first["high"], strict=True)
    )
    nothing = curve_document("no such metric", "x", root / "fast")
    assert nothing["steps"] == [] and nothing["seeds"] == []


@pytest.mark.parametrize(
    "address",
    [
        "/run?name=../fast", "/run?name=nothing", "/run", "/compare?run=..%2F..", "/papers/no-such-paper", "/dataset?name=..",
        "/report?name=../../etc/passwd", "/report?name=fast/config.json", "/static/app.py", "/static/..%2Fapp.py",
        "/papers/ppo%2F..%2F..", "/api/episode/9/0.jpg", "/no/such/page", "/api/run?name=zzz",
    ],
)  # fmt: skip
def test_wrong_addresses_are_not_found_in_one_line(root: Path, address: str) -> None:
    answer = client(root).get(address)
    assert answer.status_code in (404, 405) and "Traceback" not in answer.text


def test_names_and_settings_cannot_bring_a_script(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "_")
    make_run(tmp_path / name, recipe=HOSTILE, source={"world": HOSTILE}, settings={HOSTILE: HOSTILE})
    view = client(tmp_path)
    for answer in (
        view.get("/"),
        view.get("/run", params={"name": name}),
        view.get("/compare", params={"run": name}),
        view.get("/", params={"q": HOSTILE}),
    ):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text


def test_a_report_is_shown_in_a_sandbox(root: Path) -> None:
    policy = client(root).get("/report?name=report.html").headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;") and "allow-same-origin" not in policy


def test_other_names_of_this_machine_are_refused(root: Path) -> None:
    assert client(root).get("/", headers={"host": "evil.example:8420"}).status_code == 421
    assert client(root).get("/", headers={"host": "localhost:1"}).status_code == 200
    assert client(root).get("/", headers={"host": "[::1]:8420"}).status_code == 200


def test_acting_is_refused_from_other_sites_and_for_wrong_numbers(root: Path) -> None:
    view, ours = client(root), {"origin": "http://127.0.0.1:8420"}
    assert view.post("/api/episode?name=fast", headers={"origin": "http://evil.example"}).status_code == 403
    assert view.post("/api/episode?name=fast").status_code == 403
    assert "whole numbers" in view.post("/api/episode?name=fast&episode=-1", headers=ours).json()["error"]
    assert "holds no policy" in view.post("/api/episode?name=fast&episode=1", headers=ours).json()["error"]


def test_with_a_token_nothing_is_shown_without_it(root: Path) -> None:
    view = client(root, token="s3cret", hosts=frozenset())
    for address in ("/", "/static/view.js", "/api/curves?run=fast"):
        assert view.get(address).status_code == 401
    assert view.get("/?token=wrong").status_code == 401
    answer = view.get("/papers?wing=offline&token=s3cret", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"].endswith("/papers?wing=offline")
    cookie = answer.headers["set-cookie"].lower()
    assert COOKIE in cookie and "httponly" in cookie and "samesite=strict" in cookie
    assert view.get("/").status_code == 200  # the cookie is kept from here on


def test_many_runs_come_in_pages(tmp_path: Path) -> None:
    for number in range(PER_PAGE + 3):
        make_run(tmp_path / f"run-{number:04d}", steps=1, seeds=1)
    view = client(tmp_path)
    first, second = view.get("/?sort=name").text, view.get("/?sort=name&page=2").text
    assert "Page 1 of 2" in first and "run-0000" in first and f"run-{PER_PAGE:04d}" not in first
    assert f"run-{PER_PAGE + 2:04d}" in second and "run-0000" not in second
