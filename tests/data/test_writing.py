"""Conversion: what any format holds, Minari opens; and each layout gives back the same transitions."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError, OutputError
from pilothouse.core.spaces import Box, DictSpace, Spec
from pilothouse.data import read_dataset
from pilothouse.data.writing import write_dataset

FIELDS = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "episode_id")


@pytest.mark.parametrize("name", ("made-v0", "made.npz", "made.hdf5"))
def test_what_is_written_is_read_back(recorded, tmp_path, name):
    dataset = recorded((4, 1, 3))
    again = read_dataset(write_dataset(tmp_path / name, dataset))
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(again, field), getattr(dataset, field))
    assert again.inferred == (name != "made-v0")
    with pytest.raises(OutputError, match="exists already"):
        write_dataset(tmp_path / name, dataset)


@pytest.mark.filterwarnings("ignore")
def test_minari_opens_what_was_converted(recorded, tmp_path):
    import minari

    source = write_dataset(tmp_path / "made.hdf5", recorded((4, 2)))
    folder = write_dataset(tmp_path / "made-v0", read_dataset(source))
    theirs = minari.MinariDataset(folder / "data")
    dataset = read_dataset(folder)
    assert theirs.total_steps == 6 and theirs.total_episodes == 2
    for index, episode in enumerate(theirs.iterate_episodes()):
        np.testing.assert_array_equal(episode.actions, dataset.action[dataset.episode_id == index])
        np.testing.assert_array_equal(episode.observations[1:], dataset.next_obs[dataset.episode_id == index])


def test_one_array_has_no_place_for_a_dict(recorded, tmp_path):
    dataset = recorded((2,), Spec(DictSpace.of({"a": Box((1,)), "b": Box((2,))}), Box((1,), -1.0, 1.0)))
    with pytest.raises(DataError, match=r"\['a', 'b'\]"):
        write_dataset(tmp_path / "made.npz", dataset)
    assert not list(tmp_path.iterdir())
