"""Every reader on damaged files: one line of `DataError`, or a whole dataset whose numbers alone have changed.

200 damaged files a reader here; `make fuzz` tries 10,000 of each, drawn anew every time.
"""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.data import read_dataset, write_minari

COUNT = int(os.environ.get("PILOTHOUSE_FUZZ", "200"))
LEROBOT = Path(__file__).parents[1] / "oracles" / "lerobot_v3"
ROWS = 7
OBS = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
ACTION = np.random.default_rng(1).uniform(-1, 1, (ROWS, 2)).astype(np.float32)
ENDS = np.array([0, 0, 1, 0, 0, 0, 1])


def by_minari(form):
    def make(folder, recorded):
        if form == "hdf5":
            return write_minari(folder / "small-v0", recorded((3, 2), env_id="Pendulum-v1"))
        import warnings

        import minari
        from gymnasium import spaces
        from minari.data_collector import EpisodeBuffer

        buffers = [
            EpisodeBuffer(
                id=None,
                observations=OBS[: steps + 1],
                actions=ACTION[:steps],
                rewards=[0.5] * steps,
                terminations=[False] * steps,
                truncations=[False] * (steps - 1) + [True],
                infos={},
            )
            for steps in (3, 2)
        ]
        box = spaces.Box(-np.inf, np.inf, (3,), np.float32)
        with warnings.catch_warnings():  # of metadata that nobody reads here
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(
                "small-v0", buffers, observation_space=box, action_space=spaces.Box(-1, 1, (2,)), data_format=form
            )
        return Path(os.environ["MINARI_DATASETS_PATH"]) / "small-v0"

    return make


def d4rl(folder, recorded):
    path = folder / "small.hdf5"
    with h5py.File(path, "w") as file:
        arrays = {"observations": OBS, "actions": ACTION, "rewards": OBS[:, 0], "terminals": ENDS, "timeouts": 0 * ENDS}
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip" if name == "actions" else None)
    return path


def ogbench(folder, recorded):
    path = folder / "small.npz"
    np.savez_compressed(path, observations=OBS, actions=ACTION, terminals=ENDS, masks=1 - ENDS)
    return path


def lerobot(folder, recorded):
    shutil.copytree(LEROBOT, folder / "lerobot")
    return folder / "lerobot"


def parquet(folder, recorded):
    path = folder / "small.parquet"
    pq.write_table(
        pa.table({"obs": list(OBS), "action": list(ACTION), "episode": np.cumsum(ENDS) - ENDS, "is_last": ENDS > 0}),
        path,
    )
    return path


def csv(folder, recorded):
    path = folder / "small.csv"
    lines = ["obs_0,obs_1,action,reward,episode,terminated"]
    for o, a, end, episode in zip(OBS, ACTION, ENDS, np.cumsum(ENDS) - ENDS, strict=True):
        lines.append(f"{o[0]},{o[1]},{a[0]},{a[1]},{episode},{end}")
    path.write_text("\n".join(lines) + "\n")
    return path


READERS = {
    "minari-hdf5": by_minari("hdf5"),
    "minari-arrow": by_minari("arrow"),
    "minari-parquet": by_minari("parquet"),
    "d4rl": d4rl,
    "ogbench": ogbench,
    "lerobot": lerobot,
    "parquet": parquet,
    "csv": csv,
}


@pytest.fixture(scope="module", params=READERS)
def pristine(request, recorded, tmp_path_factory):
    """A small valid dataset in one format: its path, and the contents of its files."""
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MINARI_DATASETS_PATH", str(folder))
        path = READERS[request.param](folder, recorded)
    read_dataset(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return path, {file: file.read_bytes() for file in files}


# Cut at a place, overwrite, change single bytes, repeat or leave out a piece. Places are shares of the file.
PLACES = st.floats(0, 1, exclude_max=True)
DAMAGE = st.one_of(
    st.tuples(st.just("cut"), PLACES),
    st.tuples(
        st.just("write"), st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=16)), min_size=1, max_size=6)
    ),
    # Most of a small HDF5 file is empty; what is not describes the rest.
    st.tuples(st.just("tamper"), st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=4)),
    st.tuples(st.just("repeat"), st.tuples(PLACES, PLACES)),
    st.tuples(st.just("omit"), st.tuples(PLACES, PLACES)),
)


def damaged(content, damage):
    kind, places = damage
    if kind == "cut":
        return content[: int(places * len(content))]
    if kind in ("repeat", "omit"):
        first, last = sorted(int(place * len(content)) for place in places)
        return content[:last] + content[first:] if kind == "repeat" else content[:first] + content[last:]
    changed = bytearray(content)
    filled = np.flatnonzero(np.frombuffer(content, np.uint8))
    for place, value in places:
        if kind == "tamper" and len(filled):
            changed[filled[int(place * len(filled))]] = value
        elif kind == "write":
            start = int(place * len(content))
            changed[start : start + len(value)] = value[: len(content) - start]
    return bytes(changed)


def whole(dataset):
    """Whether a dataset is all there: rows of one number, an index that covers them, numbers that are numbers."""
    rows = dataset.rows()
    ends = np.cumsum(dataset.lengths)
    assert rows.reward.shape == (ends[-1],) and (dataset.lengths > 0).all()
    assert dataset.starts.tolist() == [0, *ends[:-1].tolist()]
    assert {len(leaf) for leaf in (rows.obs, rows.next_obs, rows.action, rows.terminated)} == {len(dataset)}
    assert dataset.summary()["nonfinite"] == 0


def refused_or_whole(path):
    try:
        found = read_dataset(path)
    except DataError as fault:
        assert "\n" not in str(fault) and str(path) in str(fault)
        return False
    whole(found)
    return True


@settings(max_examples=COUNT, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 999), damage=DAMAGE)
def test_a_damaged_file_is_refused_in_one_line_or_read_whole(pristine, number, damage):
    path, contents = pristine
    file = list(contents)[number % len(contents)]
    file.write_bytes(damaged(contents[file], damage))
    try:
        refused_or_whole(path)
    finally:
        file.write_bytes(contents[file])


def test_a_file_cut_anywhere_is_never_read(pristine):
    """But for tables of words: a line less is a table, and a description less is none that the numbers need."""
    path, contents = pristine
    named = ("main_data.hdf5", "small.hdf5", "small.npz", "small.parquet", "file-000.parquet")
    for file in (file for file in contents if file.name in named):
        for length in np.linspace(0, len(contents[file]) - 1, 25).astype(int):
            file.write_bytes(contents[file][:length])
            with pytest.raises(DataError):
                read_dataset(path)
        file.write_bytes(contents[file])
