"""The mechanism: the archive alone says what runs came to, and a config read from it gives the same run again."""

import numpy as np
import pytest

from pilothouse.evaluate.archive import Archive, again
from pilothouse.recipes.evaluate.open_rl_benchmark import open_rl_benchmark
from pilothouse.recipes.online.dqn import dqn
from pilothouse.train.resolve import world_source
from pilothouse.train.run import train

PLACE = world_source("cartpole", environments=2)


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = {"width": 4, "depth": 1, "batch": 4, "warmup": 4, "capacity": 64, "lr": 3e-2}
    run = train(dqn(**settings), PLACE, steps=80, seeds=2, out=folder / "dqn", episodes=2, evaluations=2)
    return folder, run


def test_the_table_is_rebuilt_from_the_folder_alone(lived):
    folder, run = lived
    said = open_rl_benchmark().build(PLACE.spec)(folder)
    assert said["runs"] == 1 and said["dqn/seeds"] == 2
    assert said["dqn/iqm"] == pytest.approx(np.mean([one["return"] for one in run.per_seed]))
    by_rate = open_rl_benchmark(by="recipe, lr").build(PLACE.spec)(folder, where={"source": "cartpole"})
    assert by_rate["dqn, 0.03/iqm"] == said["dqn/iqm"]
    assert open_rl_benchmark().build(PLACE.spec)(folder, where={"recipe": "ppo"}) == {"runs": 0, "unread": 0}


def test_a_stored_config_gives_the_same_run_again(lived, tmp_path):
    folder, _ = lived
    first = Archive.read(folder).runs[0]
    again(first, lambda name: world_source(name, environments=2), tmp_path / "again")
    other = Archive.read(tmp_path).runs[0]
    assert other.config["settings"] == first.config["settings"]
    for seed, (steps, values) in first.curves.items():
        np.testing.assert_array_equal(other.curves[seed][0], steps)
        np.testing.assert_array_equal(other.curves[seed][1], values)
