"""The offline suite in small: the same again, opened by Minari, kept when it is there, honest about what it is."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import CheckpointError, OutputError, SettingError, UnknownNameError
from pilothouse.data.minari_format import read_minari
from pilothouse.data.references import read_references
from pilothouse.evaluate.suite import record_suite
from pilothouse.evaluate.suite_actors import AGES, checksum, committed_actors, exploring, train_age
from pilothouse.evaluate.suite_sets import committed, level_of
from pilothouse.train.policy_files import load

MAZE, HOPPER = "pointmaze-stitch-v0", "hopper-medium-replay-v0"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of a JAX world and one of a simulator."""
    pytest.importorskip("mujoco")
    out = tmp_path_factory.mktemp("suite")
    record_suite(out, size=500, sets=[MAZE, HOPPER])
    return out


def test_what_is_recorded_opens_in_minari_with_its_references(suite: Path) -> None:
    minari = pytest.importorskip("minari")
    assert sorted(path.name for path in suite.iterdir()) == sorted([MAZE, HOPPER, "suite.json"])
    for name in (MAZE, HOPPER):
        opened = minari.MinariDataset(suite / name / "data")
        assert opened.total_steps == 500 and opened.id == name
        about = opened.storage.metadata
        assert about["ref_min_score"] < about["ref_max_score"]
        assert read_references(suite / name) == (about["ref_min_score"], about["ref_max_score"])
        data, own = read_minari(suite / name), about["pilothouse"]
        assert data.fingerprint == own["fingerprint"] and len(data) == 500
        lowest, highest = about["ref_min_score"], about["ref_max_score"]
        assert own["normalised"] == pytest.approx((data.returns.mean() - lowest) / (highest - lowest), rel=1e-5)
        assert own["seed"] >= 0 and own["place"] in ("point-maze", "Hopper-v5")
    assert "a mixture, not the replay itself" in about["description"]
    assert all(f"{age:,} environment steps" in about["description"] for age in AGES)


def test_the_same_again_has_the_same_fingerprint(suite: Path, tmp_path: Path) -> None:
    stored = json.loads((suite / "suite.json").read_text())["sets"]
    again = {row["name"]: row["fingerprint"] for row in record_suite(tmp_path, size=500, sets=[MAZE, HOPPER])}
    assert again == {name: stored[name]["fingerprint"] for name in (MAZE, HOPPER)}


def test_what_is_there_is_kept_and_what_was_interrupted_is_begun_anew(suite: Path) -> None:
    before = (suite / MAZE / "data" / "main_data.hdf5").stat()
    left = suite / f".{MAZE}.abc"
    left.mkdir()
    (row,) = record_suite(suite, size=500, sets=["pointmaze-stitch"])
    assert row["seconds"] == 0.0 and row["transitions"] == 500
    after = (suite / MAZE / "data" / "main_data.hdf5").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert set(json.loads((suite / "suite.json").read_text())["sets"]) == {MAZE, HOPPER}
    with pytest.raises(OutputError, match="holds 500 transitions, not 700"):
        record_suite(suite, size=700, sets=[MAZE])
    file = suite / MAZE / "data" / "metadata.json"
    stored = file.read_text()
    file.write_text(json.dumps({**json.loads(stored), "description": "something else"}))
    with pytest.raises(OutputError, match="other agents"):
        record_suite(suite, size=500, sets=[MAZE])
    file.write_text(stored)
    left.rmdir()


def test_the_segments_of_the_maze_are_short_and_come_to_their_goal(suite: Path) -> None:
    data = read_minari(suite / MAZE)
    first, goal = data.obs[data.starts], data.obs[data.starts][:, 4:]
    assert np.abs(np.floor(first[:, :2]) - np.floor(goal)).sum(axis=1).max() <= 2
    assert data.returns.mean() > 0.8 and data.lengths.max() < 60


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="at least 100"):
        record_suite(tmp_path / "out", size=99)
    with pytest.raises(UnknownNameError, match="pointmaze"):
        record_suite(tmp_path / "out", sets=["pointmazes"])
    with pytest.raises(UnknownNameError, match="pointmaze-stitch-v0"):
        record_suite(tmp_path / "out", size=500, sets=["pointmaze-stich"])
    assert not (tmp_path / "out").exists()
    (tmp_path / "suite.json").write_text("[]")
    with pytest.raises(OutputError, match="not what this command writes"):
        record_suite(tmp_path, size=500, sets=[MAZE])


def test_levels_are_named_by_what_was_measured() -> None:
    assert [level_of(score) for score in (-0.1, 0.24, 0.25, 0.74, 0.75, 1.0)] == [
        "poor", "poor", "medium", "medium", "good", "good"
    ]  # fmt: skip
    known = committed()
    for place, found in known["references"].items():
        assert found["random"]["mean"] < found["best"]["mean"] and found["random"]["episodes"] >= 20
        for age, folder in committed_actors(place).items():
            assert found["ages"][str(age)]["checksum"] == checksum(folder)
            assert found["best"]["mean"] >= found["ages"][str(age)]["mean"]
    for name, row in known["sets"].items():
        assert row["transitions"] == 200_000 and len(row["fingerprint"]) == 64
        if name.endswith("-expert-v0"):
            assert row["normalised"] > 0.5
        if "-medium-v0" in name:
            assert level_of(row["normalised"]) == "medium"


def test_committed_agents_are_small_and_draw_their_actions() -> None:
    folders = committed_actors("Hopper-v5")
    assert tuple(folders) == AGES and committed_actors("Nowhere-v0") == {}
    for folder in folders.values():
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 300_000
    actor = load(folders[AGES[0]])
    drawn, obs, keys = exploring(actor), jnp.zeros(11), jax.random.split(jax.random.key(0), 64)
    actions = np.asarray(jax.vmap(lambda key: drawn(obs, (), key)[0])(keys))
    likeliest = actor(obs, (), keys[0])[0]
    assert actions.std(axis=0).min() > 0.01 and np.abs(actions).max() <= 1.0
    np.testing.assert_array_equal(likeliest, actor(obs, (), keys[1])[0])
    assert np.abs(np.median(actions, axis=0) - likeliest).max() < 3 * actions.std(axis=0).max()
    with pytest.raises(CheckpointError, match="does not draw"):
        exploring(drawn)  # pyright: ignore[reportArgumentType]


def test_an_agent_is_trained_and_kept_and_not_trained_again(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    tiny = {"width": 4, "depth": 1, "batch": 4, "warmup": 10, "capacity": 100, "block": 5}
    kept = train_age("Pendulum-v1", tmp_path, 20, tiny, episodes=0)
    assert kept == tmp_path / "actors" / "Pendulum-v1" / "20" and load(kept).recipe == "sac"
    assert [path.name for path in kept.parent.iterdir()] == ["20"]
    before = kept.stat().st_mtime_ns
    assert train_age("Pendulum-v1", tmp_path, 20, tiny, episodes=0) == kept and kept.stat().st_mtime_ns == before
