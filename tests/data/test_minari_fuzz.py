"""The reader on damaged files: one line of `DataError`, or a whole dataset whose numbers alone have changed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.data import read_minari, write_minari

NAMES = ("main_data.hdf5", "metadata.json")


@pytest.fixture(scope="module")
def pristine(recorded, tmp_path_factory):
    """A valid small dataset, its folder, and the contents of its files."""
    dataset = recorded((3, 2), env_id="Pendulum-v1")
    path = write_minari(tmp_path_factory.mktemp("fuzz") / "small-v0", dataset)
    return dataset, path, {name: (path / "data" / name).read_bytes() for name in NAMES}


# Cut at a place, or overwrite bytes at a few places. Places are shares of the file, so that they shrink well.
PLACES = st.floats(0, 1, exclude_max=True)
DAMAGE = st.one_of(
    st.tuples(st.just("cut"), PLACES),
    st.tuples(
        st.just("write"), st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=16)), min_size=1, max_size=6)
    ),
    # Most of an HDF5 file is empty; what is not describes the rest.
    st.tuples(st.just("tamper"), st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=4)),
)


def damaged(content, damage):
    kind, places = damage
    if kind == "cut":
        return content[: int(places * len(content))]
    changed = bytearray(content)
    filled = np.flatnonzero(np.frombuffer(content, np.uint8))
    for place, value in places:
        if kind == "tamper":
            changed[filled[int(place * len(filled))]] = value
        else:
            start = int(place * len(content))
            changed[start : start + len(value)] = value[: len(content) - start]
    return bytes(changed)


@settings(max_examples=60)
@given(name=st.sampled_from((*NAMES[:1] * 3, NAMES[1])), damage=DAMAGE)
def test_a_damaged_file_is_refused_in_one_line_or_read_whole(pristine, name, damage):
    dataset, path, contents = pristine
    for other in NAMES:
        (path / "data" / other).write_bytes(contents[other])
    (path / "data" / name).write_bytes(damaged(contents[name], damage))
    try:
        found = read_minari(path)
    except DataError as fault:
        assert "\n" not in str(fault) and str(path) in str(fault)
    else:
        assert found.lengths.tolist() == dataset.lengths.tolist() and len(found.rows().reward) == len(dataset)
        assert found.summary()["nonfinite"] == 0


def test_a_file_cut_anywhere_is_never_read(pristine):
    _, path, contents = pristine
    (path / "data" / "metadata.json").write_bytes(contents["metadata.json"])
    file, content = path / "data" / "main_data.hdf5", contents["main_data.hdf5"]
    for length in np.linspace(0, len(content) - 1, 60).astype(int):
        file.write_bytes(content[:length])
        with pytest.raises(DataError):
            read_minari(path)
