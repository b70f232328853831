"""The one door: each format as its own library or its documented layout writes it, by hand-worked small files."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete
from pilothouse.data import read_minari, write_minari
from pilothouse.data.reading import read_dataset

LEROBOT = Path(__file__).parents[1] / "oracles" / "lerobot_v3"
# Two trajectories of states s0 s1 s2 | s3 s4 s5; state i is (i, -i), its action (i / 8,).
OBS = np.stack([np.arange(6), -np.arange(6)], axis=1).astype(np.float32)
ACTION = (np.arange(6) / 8).astype(np.float32)[:, None]
REWARD = np.arange(6).astype(np.float32) * 10
ENDS = np.array([0, 0, 1, 0, 0, 1], np.float32)


def d4rl(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def flat(path, **changed):
    return d4rl(path, **{"observations": OBS, "actions": ACTION, "rewards": REWARD, "terminals": ENDS > 2} | changed)


def ogbench(path, **changed):
    arrays = {"observations": OBS, "actions": ACTION, "terminals": ENDS} | changed
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def table(path, **columns):
    columns = {name: list(array) if np.ndim(array) > 1 else array for name, array in columns.items()}
    pq.write_table(pa.table(columns), path)
    return path


def first_column(obs):
    return obs[:, 0].tolist()


# ------------------------------------------------------------------------------------------------------------------ D4RL


def test_d4rl_without_next_observations_drops_what_has_none(tmp_path):
    # Row 1 terminates; row 3 is a time limit; the file ends at row 5, in the middle of an episode.
    path = flat(
        tmp_path / "walk.hdf5",
        terminals=np.array([0, 1, 0, 0, 0, 0], bool),
        timeouts=np.array([0, 0, 0, 1, 0, 0], bool),
        **{"infos/qpos": np.zeros((6, 3)), "metadata/policy/bias": np.zeros(2)},
    )
    dataset = read_dataset(path)
    assert first_column(dataset.obs) == [0, 1, 2, 4]  # rows 3 and 5 have no next observation
    assert first_column(dataset.next_obs) == [1, 1, 3, 5]  # row 1 terminated: its own stands there, and does not count
    assert dataset.terminated.tolist() == [False, True, False, False]
    assert dataset.truncated.tolist() == [False, False, True, True]
    assert dataset.lengths.tolist() == [2, 1, 1] and dataset.reward.tolist() == [0, 10, 20, 40]
    assert dataset.spec.obs == Box((2,)) and dataset.spec.action == Box((1,), -1.0, 1.0) and dataset.inferred


def test_d4rl_with_next_observations_keeps_every_row_and_finds_the_breaks(tmp_path):
    after = OBS + np.array([1, -1], np.float32)
    after[3] = 99  # not where row 4 begins
    dataset = read_dataset(flat(tmp_path / "walk.hdf5", next_observations=after))
    assert dataset.lengths.tolist() == [4, 2] and len(dataset) == 6
    assert dataset.truncated.tolist() == [False, False, False, True, False, True]
    np.testing.assert_array_equal(dataset.next_obs, after)


def test_the_rule_of_d4rl_is_its_own(tmp_path):
    """A slow twin of `qlearning_dataset`: which rows, with which next observation."""
    generator = np.random.default_rng(0)
    rows = 60
    obs = generator.normal(size=(rows, 3)).astype(np.float32)
    terminals, timeouts = generator.random(rows) < 0.1, generator.random(rows) < 0.1
    expected = [
        (obs[i], obs[i + 1], terminals[i]) for i in range(rows - 1) if terminals[i] or not timeouts[i]
    ]  # its rows at time limits are left out, and so is the last
    dataset = read_dataset(
        d4rl(
            tmp_path / "random.hdf5",
            observations=obs,
            actions=generator.uniform(-1, 1, (rows, 2)),
            rewards=np.zeros(rows),
            terminals=terminals,
            timeouts=timeouts,
        )
    )
    kept = len(expected)
    np.testing.assert_array_equal(dataset.obs[:kept], [row[0] for row in expected])
    going = ~dataset.terminated[:kept]
    np.testing.assert_array_equal(dataset.terminated[:kept], [row[2] for row in expected])
    np.testing.assert_array_equal(dataset.next_obs[:kept][going], np.array([row[1] for row in expected])[going])


# --------------------------------------------------------------------------------------------------------------- OGBench


def test_ogbench_as_stored_compact_and_regular_are_the_same_transitions(tmp_path):
    stored = read_dataset(ogbench(tmp_path / "stored.npz", qpos=np.zeros((6, 4))))
    assert first_column(stored.obs) == [0, 1, 3, 4] and first_column(stored.next_obs) == [1, 2, 4, 5]
    assert stored.truncated.tolist() == [False, True, False, True] and not stored.terminated.any()
    assert stored.reward.tolist() == [0, 0, 0, 0] and "No rewards" in stored.description
    compact = read_dataset(ogbench(tmp_path / "compact.npz", terminals=np.array([0, 1, 1, 0, 1, 1.0]), valids=1 - ENDS))
    kept = np.array([0, 1, 3, 4])
    regular = read_dataset(
        ogbench(
            tmp_path / "regular.npz",
            observations=OBS[kept],
            actions=ACTION[kept],
            next_observations=OBS[kept + 1],
            terminals=np.array([0, 1, 0, 1]),
        )
    )
    assert stored.fingerprint == compact.fingerprint == regular.fingerprint


def test_masks_terminate_and_trajectories_go_on(tmp_path):
    masks = np.array([0, 1, 1, 1, 0, 1.0])
    dataset = read_dataset(ogbench(tmp_path / "task.npz", masks=masks, rewards=-masks))
    assert dataset.lengths.tolist() == [2, 2] and dataset.reward.tolist() == [0, -1, -1, 0]
    assert dataset.terminated.tolist() == [True, False, False, True]
    assert dataset.truncated.tolist() == [False, True, False, False]


def test_pixels_and_choices(tmp_path):
    pixels = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
    dataset = read_dataset(ogbench(tmp_path / "visual.npz", observations=pixels, actions=np.arange(6) % 4))
    assert dataset.spec.obs == Box((4, 4, 3), 0.0, 255.0, "uint8") and dataset.spec.action == Discrete(4)
    several = read_dataset(ogbench(tmp_path / "several.npz", actions=np.stack([np.arange(6) % 2, np.arange(6) % 3], 1)))
    assert several.spec.action == MultiDiscrete((2, 2))  # of the rows that count: 5 % 3 stands beside a last state


# --------------------------------------------------------------------------------------------------------------- LeRobot


def test_lerobot_as_its_own_writer_writes_it():
    dataset = read_dataset(LEROBOT)
    # Episodes of 4, 3 and 5 frames; only the second ended in success, so only its last frame is kept.
    assert dataset.lengths.tolist() == [3, 3, 4]
    np.testing.assert_allclose(dataset.obs[3:6], [[1, 0, 1], [1, 1, 1.1], [1, 2, 1.2]], rtol=1e-6)
    np.testing.assert_array_equal(dataset.action[3:6], [[0, -1 / 8], [1 / 8, -1 / 8], [2 / 8, -1 / 8]])
    assert dataset.reward.tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 3, 4]
    assert np.flatnonzero(dataset.terminated).tolist() == [5]
    assert np.flatnonzero(dataset.truncated).tolist() == [2, 9]


def test_lerobot_images_when_asked_and_other_columns():
    dataset = read_dataset(LEROBOT, images=True)
    assert dataset.spec.obs == DictSpace.of({"state": Box((3,)), "image": Box((8, 6, 3), 0.0, 255.0, "uint8")})
    assert dataset.obs["image"][:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22, 23]
    mapped = read_dataset(LEROBOT, columns={"obs": ["action", "next.reward"], "terminated": "next.done"})
    assert mapped.spec.obs == Box((3,)) and mapped.lengths.tolist() == [4, 3, 5]
    assert mapped.obs[1].tolist() == [1 / 8, 0, 2]


# ---------------------------------------------------------------------------------------------------------------- tables


def test_rlds_steps_in_parquet(tmp_path):
    path = table(
        tmp_path / "steps.parquet",
        observation=OBS,
        action=ACTION,
        reward=REWARD,
        is_first=[True, False, False, True, False, False],
        is_last=[False, False, True, False, False, True],
        is_terminal=[False, False, True, False, False, False],
    )
    dataset = read_dataset(path)
    assert first_column(dataset.obs) == [0, 1, 3, 4] and first_column(dataset.next_obs) == [1, 2, 4, 5]
    assert dataset.terminated.tolist() == [False, True, False, False]
    assert dataset.truncated.tolist() == [False, False, False, True] and dataset.reward.tolist() == [0, 10, 30, 40]


def test_flat_columns_in_csv_and_a_column_map(tmp_path):
    usual = tmp_path / "usual.csv"
    lines = ["obs_0,obs_1,action_0,reward,episode,terminated,note"]
    lines += [f"{i},{-i},{i / 8},{10 * i},{'ab'[i // 3]},{str(i == 2).lower()},word" for i in range(6)]
    usual.write_text("\n".join(lines) + "\n")
    dataset = read_dataset(usual)
    assert first_column(dataset.obs) == [0, 1, 2, 3, 4] and dataset.lengths.tolist() == [3, 2]
    assert dataset.terminated.tolist() == [False, False, True, False, False]
    named = tmp_path / "named.csv"
    named.write_text(usual.read_text().replace("obs_0,obs_1,action_0,reward,episode,terminated", "a,b,c,r,e,t"))
    columns = {"obs": ["a", "b"], "action": "c", "reward": "r", "episode": "e", "terminated": "t"}
    again = read_dataset(named, columns=columns)
    assert again.fingerprint == dataset.fingerprint
    swapped = read_dataset(named, columns=columns | {"obs": ["b", "a"]})
    np.testing.assert_array_equal(swapped.obs, dataset.obs[:, ::-1])
    with pytest.raises(DataError, match="no column 'd'"):
        read_dataset(named, columns=columns | {"obs": ["a", "d"]})
    with pytest.raises(SettingError, match="'observation'"):
        read_dataset(named, columns={"observation": "a"})


def test_a_folder_of_tables_is_read_in_order_and_ten_comes_after_nine(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    wide = {f"obs_{i}": np.full(2, float(i)) for i in range(11)}
    for part in (1, 0):
        table(folder / f"{part}.parquet", **wide, action=[0.5, 0.5], episode=[part, part], terminated=[0, 1])
    dataset = read_dataset(folder)
    assert dataset.obs[0].tolist() == list(range(11)) and dataset.lengths.tolist() == [2, 2]


def test_actions_beyond_one_are_bounded_by_what_was_seen(tmp_path):
    dataset = read_dataset(flat(tmp_path / "torque.hdf5", actions=ACTION * 8 - 2, terminals=ENDS > 0))
    assert dataset.spec.action == Box((1,), (-2.0,), (3.0,))
    assert float(dataset.rows().action.min()) == -1 and float(dataset.rows().action.max()) == 1


# -------------------------------------------------------------------------------------------------------------- the door


@pytest.mark.filterwarnings("ignore")
def test_minari_through_the_door(recorded, tmp_path, minari_root):
    dataset = recorded()
    write_minari(minari_root / "small-v0", dataset)
    for source in (minari_root / "small-v0", minari_root / "small-v0" / "data", "small-v0"):
        assert read_dataset(source).fingerprint == dataset.fingerprint
    with pytest.raises(SettingError, match="no use for 'columns'"):
        read_dataset("small-v0", columns={"obs": "a"})
    with pytest.raises(DataError, match="Give the folder of the Minari dataset"):
        read_dataset(minari_root / "small-v0" / "data" / "main_data.hdf5")


def bad(fault):
    """Writes a faulty dataset below a folder and returns its path."""
    return pytest.param(fault, id=fault.__name__)


def nothing_known(folder):
    (folder / "x.txt").write_text("hello")
    return folder / "x.txt"


def foreign_folder(folder):
    (folder / "x").mkdir()
    (folder / "x" / "a.parquet").write_bytes(b"")
    (folder / "x" / "b.txt").write_bytes(b"")
    return folder / "x"


def nan(folder):
    return flat(folder / "x.hdf5", observations=np.where(OBS == 2, np.nan, OBS), terminals=ENDS)


def mixed(folder):
    return flat(folder / "x.hdf5", actions=ACTION[:4])


def words(folder):
    return flat(folder / "x.hdf5", actions=np.array([b"a"] * 6))


def no_terminals(folder):
    return d4rl(folder / "x.hdf5", observations=OBS, actions=ACTION, rewards=REWARD)


def no_flags(folder):
    return flat(folder / "x.hdf5", terminals=REWARD)


def only_last_rows(folder):
    return flat(folder / "x.hdf5", terminals=np.zeros(6), timeouts=np.ones(6))


def no_rows(folder):
    arrays = {"observations": OBS, "actions": ACTION, "rewards": REWARD, "terminals": ENDS}
    return d4rl(folder / "x.hdf5", **{name: array[:0] for name, array in arrays.items()})


def elsewhere(folder):
    flat(folder / "real.hdf5")
    path = flat(folder / "x.hdf5")
    with h5py.File(path, "a") as file:
        del file["actions"]
        file["actions"] = h5py.ExternalLink(str(folder / "real.hdf5"), "/actions")
    return path


def huge_hdf5(folder):
    path = flat(folder / "x.hdf5")
    with h5py.File(path, "a") as file:
        for name in ("observations", "actions", "rewards", "terminals"):
            shape = (10**10, *file[name].shape[1:])
            del file[name]
            file.create_dataset(name, shape, "f4", chunks=(1000, *shape[1:]))
    return path


def pickled(folder):
    return ogbench(folder / "x.npz", actions=np.array([{}] * 6, dtype=object))


def bomb(folder):
    # 300 MiB of zeros in 300 KB: more than 200 times the file, and more than the 256 MiB that need no such comparison.
    return ogbench(folder / "x.npz", observations=np.zeros((6, 300 * 2**20 // 24), np.float32))


def liar(folder):
    import io
    import zipfile

    path = ogbench(folder / "x.npz")
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 1)})
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, buffer.getvalue() if name == "actions.npy" else content)
    return path


def missing_column(folder):
    return ogbench(folder / "x.npz", terminals=None)


def negative_choices(folder):
    return ogbench(folder / "x.npz", actions=np.arange(6) - 1)


def lerobot(folder, change=lambda info: None):
    shutil.copytree(LEROBOT, folder / "x")
    file = folder / "x" / "meta" / "info.json"
    info = json.loads(file.read_text())
    change(info)
    file.write_text(json.dumps(info))
    return folder / "x"


def path_out(folder):
    return lerobot(folder, lambda info: info.update(data_path="../../{chunk_index}/{file_index}.parquet"))


def older(folder):
    return lerobot(folder, lambda info: info.update(codebase_version="v2.1"))


def miscounted(folder):
    return lerobot(folder, lambda info: info.update(total_frames=13))


def link_out(folder):
    path = lerobot(folder)
    (path / "data").rename(folder / "outside")
    (path / "data").symlink_to(folder / "outside")
    return path


def no_action(folder):
    return lerobot(folder, lambda info: info["features"].pop("action"))


def empty_episode(folder):
    path = lerobot(folder)
    file = path / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    held = pq.read_table(file)
    at = held.schema.get_field_index("length")
    pq.write_table(held.set_column(at, "length", pa.array([4, 0, 8])), file)
    return path


def ragged(folder):
    pq.write_table(
        pa.table({"obs": [[1.0], [1.0, 2.0]], "action": [0.1, 0.2], "episode": [0, 0]}), folder / "x.parquet"
    )
    return folder / "x.parquet"


def missing_numbers(folder):
    return table(folder / "x.parquet", obs=[1.0, None, 2.0], action=[0.1] * 3, episode=[0] * 3)


def torn_episode(folder):
    return table(folder / "x.parquet", obs=[1.0, 2.0, 3.0, 4.0], action=[0.1] * 4, episode=[0, 1, 1, 0])


def no_ends(folder):
    return table(folder / "x.parquet", obs=[1.0], action=[0.1])


def gap_in_numbers(folder):
    return table(folder / "x.parquet", obs_0=[1.0], obs_2=[1.0], action=[0.1], episode=[0])


def huge_parquet(folder):
    rows = 40 * 2**20
    return table(folder / "x.parquet", obs=np.zeros(rows), action=np.zeros(rows), episode=np.zeros(rows, np.int32))


def torn_csv(folder):
    (folder / "x.csv").write_text("obs_0,action,episode\n1,2,0\n1,2\n")
    return folder / "x.csv"


def words_in_csv(folder):
    (folder / "x.csv").write_text("obs_0,action,episode\n1,2,0\none,2,0\n")
    return folder / "x.csv"


FAULTS = {
    nothing_known: "Known are: a Minari folder", foreign_folder: "folder of no known dataset",
    nan: "'observations' holds nan in episode 0, row 2", mixed: "differ in their number of rows",
    words: "expected numbers", no_terminals: "lacks ['terminals']", no_flags: "holds 10.0 in row 1, expected 0 or 1",
    only_last_rows: "holds no transitions", no_rows: "holds no transitions", elsewhere: "points elsewhere",
    huge_hdf5: "declares", pickled: "expected numbers", bomb: "declares", liar: "declares (1000000000000, 1)",
    missing_column: "lacks ['terminals']", negative_choices: "from -1 to", path_out: "data path",
    older: "'v2.1', expected v3", miscounted: "speaks of 13", link_out: "link to outside", no_action: "no column 'action'",
    empty_episode: "episode 1 has no frames", ragged: "2 numbers in row 1, 1 in row 0",
    missing_numbers: "1 missing values, the first in row 1", torn_episode: "episode 0 goes on in row 3",
    no_ends: "nothing says where an episode ends", gap_in_numbers: "obs_1", huge_parquet: "declares",
    torn_csv: "cannot be read as CSV", words_in_csv: "'obs_0' holds string",
}  # fmt: skip


@pytest.mark.parametrize("fault", [bad(fault) for fault in FAULTS])
def test_each_fault_is_one_line_that_names_the_file(tmp_path, fault):
    path = fault(tmp_path)
    with pytest.raises(DataError) as caught:
        read_dataset(path)
    assert FAULTS[fault] in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_link_out_of_a_minari_folder_is_not_followed(recorded, tmp_path):
    path = write_minari(tmp_path / "small-v0", recorded())
    (path / "data" / "main_data.hdf5").rename(tmp_path / "outside.hdf5")
    (path / "data" / "main_data.hdf5").symlink_to(tmp_path / "outside.hdf5")
    with pytest.raises(DataError, match="link to outside"):
        read_dataset(path)
    # The folder itself may be a link: what the user names is what the user means.
    (path / "data" / "main_data.hdf5").unlink()
    (tmp_path / "outside.hdf5").rename(path / "data" / "main_data.hdf5")
    (tmp_path / "link").symlink_to(path)
    assert len(read_dataset(tmp_path / "link")) == 8


def test_a_minari_array_that_declares_too_much_is_refused(recorded, tmp_path):
    path = write_minari(tmp_path / "small-v0", recorded())
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        for name, width in (("rewards", ()), ("terminations", ()), ("truncations", ())):
            del file["episode_0"][name]
            file["episode_0"].create_dataset(name, (10**10, *width), "i4", chunks=(1000,))
        del file["episode_0"]["observations"], file["episode_0"]["actions"]
        file["episode_0"].create_dataset("observations", (10**10 + 1, 3), "f4", chunks=(1000, 3))
        file["episode_0"].create_dataset("actions", (10**10, 2), "f4", chunks=(1000, 2))
    with pytest.raises(DataError, match="declares"):
        read_minari(path)
