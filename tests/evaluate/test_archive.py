"""An archive of runs: read from folders alone, filtered by what they were, aggregated by hand-worked numbers."""

import json

import numpy as np
import pytest

from pilothouse.core.errors import CheckpointError, DataError, OutputError, UnknownNameError
from pilothouse.evaluate.archive import Archive, again, compare
from pilothouse.train.resolve import world_source


def written(folder, recipe, curves, **settings):
    """A run folder with these returns: seed -> [(step, return)]."""
    folder.mkdir(parents=True)
    config = {
        "recipe": recipe,
        "settings": settings,
        "source": {"world": "cartpole", "environments": 2},
        "seeds": len(curves),
    }
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"step": step, "seed": seed, "evaluation/return": value} for seed, at in curves.items() for step, value in at
    ]
    rows.append({"step": 5, "seed": 0, "loss": 1.0})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 9')


@pytest.fixture
def root(tmp_path):
    written(tmp_path / "a" / "one", "ppo", {0: [(0, 1.0), (10, 3.0)], 1: [(0, 2.0), (10, 6.0)]}, lr=0.1)
    written(tmp_path / "two", "ppo", {5: [(0, 0.0), (8, 5.0), (20, 9.0)]}, lr=0.2)
    written(tmp_path / "three", "dqn", {0: [(0, 1.0), (10, 1.0)]}, lr=0.1)
    return tmp_path


def test_runs_are_found_and_filtered_by_what_they_were(root):
    archive = Archive.read(root)
    assert [run.recipe for run in archive.runs] == ["ppo", "dqn", "ppo"] and archive.runs[0].source == "cartpole"
    assert len(archive.where(recipe="ppo").runs) == 2 and len(archive.where(recipe="ppo", lr=0.2).runs) == 1
    assert archive.where(recipe="sac").runs == () and len(archive.where(source="cartpole").runs) == 3
    assert list(archive.by("recipe", "lr")) == [("dqn", 0.1), ("ppo", 0.1), ("ppo", 0.2)]
    with pytest.raises(UnknownNameError, match="Did you mean 'recipe'"):
        archive.where(recipie="ppo")


def test_seeds_of_all_runs_are_aggregated_on_steps_that_all_reached(root):
    found = Archive.read(root).where(recipe="ppo").aggregate(points=3)
    np.testing.assert_array_equal(found.steps, [0, 5, 10])  # the third seed went on to 20
    np.testing.assert_array_equal(found.curves, [[1, 1, 3], [2, 2, 6], [0, 0, 5]])  # the last value at or before
    assert found.runs == 2 and found.iqm == pytest.approx(14 / 3)  # of three, nothing is trimmed
    # Student's t of two degrees of freedom: 14/3 plus or minus 4.303 * sqrt((7/3) / 3).
    assert found.interval.half_width == pytest.approx(4.3027 * np.sqrt(7 / 9), rel=1e-4)
    other = Archive.read(root).where(recipe="dqn").aggregate(points=3)
    assert compare(found, other) == 1.0 and compare(other, found) == 0.0 and compare(found, found) == 0.5


def test_what_cannot_be_read_is_counted_and_told(root):
    (root / "three" / "config.json").write_text("{")
    archive = Archive.read(root)
    assert len(archive.runs) == 2 and list(archive.unread) == [root / "three"]
    with pytest.raises(OutputError, match="There is no folder"):
        Archive.read(root / "nowhere")
    with pytest.raises(DataError, match="has measured a return"):
        Archive().aggregate()
    with pytest.raises(CheckpointError, match="does not say its 'seed'"):
        again(archive.runs[0], world_source("cartpole"), root / "again")


def test_runs_without_steps_in_common_are_not_mixed(tmp_path):
    written(tmp_path / "one", "ppo", {0: [(0, 1.0), (4, 3.0)]})
    written(tmp_path / "two", "ppo", {0: [(6, 1.0), (9, 3.0)]})
    with pytest.raises(DataError, match="no steps in common"):
        Archive.read(tmp_path).aggregate()
