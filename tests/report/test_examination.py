"""An examination of a rule in a short CartPole: every part, the page, what is refused, and what is resumed."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from pilothouse.core.errors import OutputError, PolicyError, SettingError, SpaceError
from pilothouse.policies.host import HostPolicy
from pilothouse.report import examination
from pilothouse.report.examination import PARTS, TITLES, Examination, Plan, examine
from pilothouse.report.examination_report import examination_page, headline, write_examination_report
from pilothouse.train.resolve import environment_source, world_source
from pilothouse.train.sources import SimulatorSource

SHORT = "ShortCartPole-v0"
if SHORT not in gymnasium.registry:
    gymnasium.register(SHORT, "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=60)


class Leaning(HostPolicy):
    """Pushes the way that the pole leans: keeps it up for a while, then drifts away."""

    name = "leaning"

    def __init__(self, spec: Any, weights: tuple[float, ...] = (0.0, 0.0, 1.0, 0.2)):
        self.spec, self.weights = spec, np.asarray(weights)

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return (obs @ self.weights > 0).astype(np.int32), carry, {}


@pytest.fixture(scope="module")
def place() -> SimulatorSource:
    return environment_source(SHORT)


def too_far(obs: np.ndarray, action: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
    return np.abs(next_obs[:, 0]) > 0.05


PLAN = Plan(quick=True, episodes=8)


@pytest.fixture(scope="module")
def whole(place: SimulatorSource, tmp_path_factory: pytest.TempPathFactory) -> Examination:
    out = tmp_path_factory.mktemp("examined") / "out"
    name = "rules:<script>alert(1)</script>"
    return examine(Leaning(place.spec), place, PLAN, name=name, constraints={"too far": too_far}, out=out)


def test_every_part_is_made_and_kept(whole: Examination) -> None:
    assert list(whole.parts) == list(PARTS) and set(PARTS) < set(TITLES)
    assert not [name for name, found in whole.parts.items() if "absent" in found]
    assert json.loads((whole.folder / "examination.json").read_text()) == whole.as_json()
    document = whole.as_json()
    assert len(document["robustness"]) >= 6 and all(row["levels"] for row in document["robustness"])
    assert {row["method"].split(" ")[0] for row in document["explanations"]} == {
        "attribution",
        "surrogate:",
        "phases:",
        "prediction",
        "counterfactual",
    }
    assert json.dumps(document, allow_nan=False)


def test_what_is_said_of_the_episodes_is_so(whole: Examination) -> None:
    returns = whole.parts["returns"]
    assert returns["returns"] == [float(length) for length in returns["lengths"]], "a reward of 1 a step"
    assert returns["mean"] == pytest.approx(np.mean(returns["returns"]))
    assert returns["worst_decile"]["mean"] == pytest.approx(min(returns["returns"])), "a tenth of 8 is less than one"
    assert returns["mean"] > 2 * returns["random"]
    broken = next(row for row in returns["violations"] if row["name"] == "too far")
    with np.load(whole.folder / "episodes.npz") as stored:
        far = np.abs(stored["next_obs"][:, 0]) > 0.05
        assert broken["steps"] == pytest.approx(far.mean())
        assert broken["episodes"] == len(np.unique(stored["episode"][far]))
    worst = whole.parts["failures"]["worst"][0]
    assert worst["return"] == min(returns["returns"]) and len(worst["values"]) == worst["length"]


def test_explanations_find_the_rule(whole: Examination) -> None:
    drives = whole.parts["drives"]
    shares = dict(zip(drives["features"], drives["feature_importance"], strict=True))
    assert shares["pole angle"] + shares["pole angular velocity"] > 0.95, "it looks at the angle and its speed alone"
    assert drives["most"] and set(drives["most"]) <= {"pole angle", "pole angular velocity"} and drives["sanity_passed"]
    copies = whole.parts["surrogate"]["surrogates"]
    assert max(one["fidelity"] for one in copies) > 0.95
    moved = {name for case in whole.parts["counterfactuals"]["cases"] for name in case["changes"]}
    assert whole.parts["counterfactuals"]["validity"] == 1 and moved & {"pole angle", "pole angular velocity"}


def test_the_page_says_the_verdict_first_and_holds_no_foreign_markup(whole: Examination, tmp_path: Path) -> None:
    page = examination_page(whole)
    titles = [section.title for section in page.sections]
    assert titles[0] == "Verdict" and titles[-2:] == ["How far to trust this", "Run it again"]
    assert titles[1:-2] == [TITLES[name] for name in PARTS if name != "returns"]
    text = write_examination_report(tmp_path / "report.html", whole).read_text()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert "more than acting at random" in headline(whole)


def test_resumed_when_finished_repeats_nothing(
    whole: Examination, place: SimulatorSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(study: Any) -> Any:
        raise AssertionError("finished work was repeated")

    monkeypatch.setattr(examination, "PARTS", dict.fromkeys(PARTS, never))
    given: dict[str, Any] = {"name": whole.policy, "constraints": {"too far": too_far}, "out": whole.folder}
    again = examine(Leaning(place.spec), place, PLAN, resume=True, **given)
    assert again.as_json() == whole.as_json()
    with pytest.raises(OutputError, match="not empty"):
        examine(Leaning(place.spec), place, PLAN, **given)
    with pytest.raises(SettingError, match="seed=0, and now seed=1"):
        examine(Leaning(place.spec), place, Plan(quick=True, episodes=8, seed=1), resume=True, **given)
    with pytest.raises(SettingError, match="begun with policy"):
        examine(Leaning(place.spec), place, PLAN, about={"sha256": "another"}, resume=True, **given)


def test_killed_in_a_part_and_resumed(place: SimulatorSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """As sudden as a signal: nothing catches it."""

    made = []

    def quick(name: str) -> Any:
        def part(study: Any) -> dict[str, Any]:
            made.append(name)
            if name == "failures" and made.count(name) == 1:
                raise Killed
            if name == "robustness":
                raise SpaceError("It has no sensors.")
            return {"worst": []}

        return part

    few = {"returns": PARTS["returns"], **{name: quick(name) for name in ("failures", "robustness", "drives")}}
    monkeypatch.setattr(examination, "PARTS", few)
    with pytest.raises(Killed):
        examine(Leaning(place.spec), place, Plan(episodes=4), out=tmp_path / "out")
    found = examine(Leaning(place.spec), place, Plan(episodes=4), out=tmp_path / "out", resume=True)
    assert made == ["failures", "failures", "robustness", "drives"]
    assert found.as_json()["absent"] == {"robustness": "It has no sensors."}, "one part that fails stops no other"


class Fails(Leaning):
    name = "broken"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        raise RuntimeError("out of fuel")


def test_what_cannot_be_examined_is_refused(place: SimulatorSource, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="episodes=3; expected at least 4"):
        examine(Leaning(place.spec), place, Plan(episodes=3), out=tmp_path / "few")
    with pytest.raises(SpaceError, match="pendulum"):
        examine(Leaning(place.spec), world_source("pendulum"), PLAN, out=tmp_path / "elsewhere")
    with pytest.raises(PolicyError, match="broken raised RuntimeError while acting: out of fuel"):
        examine(Fails(place.spec), place, PLAN, out=tmp_path / "broken")
    with pytest.raises(SettingError, match=r"'shape' gave shape \(2,\)"):
        examine(
            Leaning(place.spec),
            place,
            Plan(episodes=4),
            constraints={"shape": lambda *_: np.zeros(2)},
            out=tmp_path / "s",
        )
    assert not (tmp_path / "few").exists() and not (tmp_path / "elsewhere").exists()
