import json
import os
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError, OutputError, SettingError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.data import dataset_from_transitions, read_minari, write_minari
from pilothouse.data.episodes import episodes_of

OBS = st.sampled_from(
    [
        Box((3,)),
        Box((), 0.0, 1.0),
        Box((2, 2), -1.5, (0.5, 1.5, 2.5, np.inf)),
        Box((32, 40, 3), 0.0, 255.0, "uint8"),  # so large that Minari would take it for an image
        Discrete(5),
        MultiDiscrete((2, 3)),
        DictSpace.of({"place": Box((2,)), "mode": Discrete(3), "action_mask": Box((2,), 0.0, 1.0, "int8")}),
    ]
)
ACTION = st.sampled_from(
    [Box((2,), -0.4, 0.4), Discrete(3), MultiDiscrete((2, 2)), DictSpace.of({"a": Box((1,)), "b": Discrete(2)})]
)
LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def assert_same(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@given(obs=OBS, action=ACTION, lengths=LENGTHS, dtype=st.sampled_from([np.float32, np.float64]))
def test_what_is_written_is_read_back_bit_for_bit_and_minari_reads_the_same(
    recorded, tmp_path_factory, obs, action, lengths, dtype
):
    import minari

    dataset = recorded(lengths, Spec(obs, action), dtype=dtype, description="a trial")
    path = write_minari(tmp_path_factory.mktemp("written") / "trial-v0", dataset)
    again = read_minari(path)
    assert again.fingerprint == dataset.fingerprint and again.spec == dataset.spec
    assert (again.name, again.description, again.seeds) == ("trial-v0", "a trial", dataset.seeds)

    theirs = minari.MinariDataset(path / "data")
    assert (theirs.total_episodes, theirs.total_steps) == (dataset.episodes, len(dataset))
    for ours, episode in zip(episodes_of(dataset), theirs.iterate_episodes(), strict=True):
        assert_same(ours.obs, episode.observations)
        assert_same(ours.action, episode.actions)
        for one, other in (
            (ours.reward, episode.rewards),
            (ours.terminated, episode.terminations),
            (ours.truncated, episode.truncations),
        ):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    first = jax.tree.map(lambda x: np.asarray(x[0]), next(iter(theirs)).observations)
    assert theirs.observation_space.contains(first)


def test_minari_can_make_the_environment_again_and_append(recorded, tmp_path):
    import minari
    from minari.data_collector import EpisodeBuffer

    spec = Spec(Box((3,), (-1.0, -1.0, -8.0), (1.0, 1.0, 8.0)), Box((1,), -2.0, 2.0))
    dataset = recorded((3, 2), spec, dtype=np.float32, env_id="Pendulum-v1")
    path = write_minari(tmp_path / "pendulum-v2", dataset, author=("someone",), algorithm_name="chance")
    theirs = minari.MinariDataset(path / "data")
    assert theirs.recover_environment().spec.id == "Pendulum-v1" and theirs.spec.version == 2
    assert theirs.storage.metadata["author"] == {"someone"} and theirs.storage.metadata["algorithm_name"] == "chance"
    assert read_minari(path).env_id == "Pendulum-v1"

    zeros = np.zeros((2, 3), np.float32)
    buffer = EpisodeBuffer(None, None, None, zeros, zeros[:1, :1], [1.0], [False], [True])
    theirs.update_dataset_from_buffer([buffer])
    assert read_minari(path).lengths.tolist() == [3, 2, 1]


def test_an_environment_that_gymnasium_does_not_know_is_left_out(recorded, tmp_path):
    path = write_minari(tmp_path / "own-v0", recorded(env_id="OurOwnWorld"))
    assert read_minari(path).env_id is None
    assert "env_spec" not in json.loads((path / "data" / "metadata.json").read_text())


def test_equal_datasets_make_equal_files(recorded, tmp_path):
    one, two = (write_minari(tmp_path / folder / "same-v0", recorded()) / "data" for folder in ("a", "b"))
    for name in ("main_data.hdf5", "metadata.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.parametrize("name", ["unversioned", "v0", "-v", "x-v1.5", "a b-v0"])
def test_names_that_minari_does_not_take_are_refused(recorded, tmp_path, name):
    with pytest.raises(SettingError, match="NAME-vN"):
        write_minari(tmp_path / name, recorded())
    assert not list(tmp_path.iterdir())


def test_the_id_may_have_namespaces_but_ends_in_the_folders_name(recorded, tmp_path):
    assert read_minari(write_minari(tmp_path / "x-v0", recorded(), dataset_id="mine/x-v0")).name == "mine/x-v0"
    with pytest.raises(SettingError, match="NAME-vN"):
        write_minari(tmp_path / "y-v0", recorded(), dataset_id="mine/x-v0")


def test_nothing_is_ever_overwritten(recorded, tmp_path):
    path = write_minari(tmp_path / "x-v0", recorded())
    before = read_minari(path).fingerprint
    with pytest.raises(OutputError, match="exists already"):
        write_minari(path, recorded((2,)))
    assert read_minari(path).fingerprint == before


def test_a_place_that_cannot_be_written_is_named(recorded, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_minari(tmp_path / "file" / "x-v0", recorded())


def test_a_failing_writer_leaves_nothing_behind(recorded, tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match="No space left on device.*Is the disk full"):
        write_minari(tmp_path / "x-v0", recorded())
    assert not list(tmp_path.iterdir())


def test_rows_that_are_no_chain_leave_nothing_behind(tmp_path):
    rows = dict(
        obs=np.zeros((2, 1)), next_obs=np.ones((2, 1)), action=np.zeros(2, int), reward=np.ones(2),
        terminated=np.zeros(2, bool), truncated=np.zeros(2, bool),
    )  # fmt: skip
    with pytest.raises(DataError, match="one chain"):
        write_minari(tmp_path / "x-v0", dataset_from_transitions(rows, Spec(Box((1,)), Discrete(2)), name="loose"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", [0, 1000, 20_000, 100_000])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path, limit):
    # In a process of its own: the limit on file sizes stays for good, and HDF5's own writer would end the process.
    program = textwrap.dedent(f"""
        import resource
        import numpy as np
        from pilothouse.core.errors import OutputError
        from pilothouse.core.spaces import Box, Spec
        from pilothouse.data import Episode, dataset_from_episodes, write_minari
        flags = np.zeros(20_000, bool)
        episode = Episode(np.zeros((20_001, 1)), np.zeros((20_000, 1)), np.zeros(20_000), flags, flags)
        dataset = dataset_from_episodes([episode], Spec(Box((1,)), Box((1,))), name="large")
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
        try:
            write_minari({str(tmp_path / "x-v0")!r}, dataset)
        except OutputError as fault:
            print(fault)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 and "Is the disk full" in done.stdout and not done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["arm/far", "/far", "", ".", ".."])
def test_names_that_are_paths_to_hdf5_are_refused(recorded, tmp_path, name):
    for spec in (
        Spec(DictSpace.of({name: Box((1,))}), Discrete(2)),
        Spec(Box((1,)), DictSpace.of({name: Discrete(2)})),
    ):
        with pytest.raises(DataError, match="has an entry .* Rename it"):
            write_minari(tmp_path / "trial-v0", recorded([2], spec))
    assert list(tmp_path.iterdir()) == []
