import json
import shutil

import gymnasium
import h5py
import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gymnasium import spaces

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data import read_minari, write_minari

FORMATS = ("hdf5", "arrow", "parquet")
SPACES = spaces.Dict({"place": spaces.Box(-1, 1, (2,), np.float64), "mode": spaces.Discrete(3, start=5)})


def by_minari(name="theirs-v0", form="hdf5", *, obs=SPACES, action=None, lengths=(3, 2), **about):
    """A dataset that Minari itself writes into its root; returns it as Minari reads it."""
    import minari
    from minari.data_collector import EpisodeBuffer

    action = action or spaces.MultiDiscrete([2, 3], start=[1, 0])
    obs.seed(0), action.seed(0)

    def stack(space, count):
        drawn = [space.sample() for _ in range(count)]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)

    buffers = [
        EpisodeBuffer(
            id=None,
            seed=7 + index,
            observations=stack(obs, steps + 1),
            actions=stack(action, steps),
            rewards=list(np.arange(steps) * 0.5),
            terminations=[False] * steps,
            truncations=[False] * (steps - 1) + [True],
            infos={"note": np.zeros((steps + 1, 2))},
        )
        for index, steps in enumerate(lengths)
    ]
    return minari.create_dataset_from_buffers(
        name, buffers, observation_space=obs, action_space=action, data_format=form, **about
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMATS)
def test_what_minari_writes_is_read_from_its_folder_its_data_and_its_id(minari_root, form):
    theirs = by_minari(form=form)
    folder = minari_root / "theirs-v0"
    ours = read_minari(folder)
    assert ours.spec.obs == DictSpace.of({"place": Box((2,), -1.0, 1.0), "mode": Discrete(3)})
    assert ours.lengths.tolist() == [3, 2] and ours.name == "theirs-v0"
    for index, episode in enumerate(theirs.iterate_episodes()):
        rows = ours.episode_id == index
        np.testing.assert_array_equal(ours.obs["place"][rows], episode.observations["place"][:-1])
        np.testing.assert_array_equal(ours.next_obs["place"][rows], episode.observations["place"][1:])
        # Choices are counted from 0 here, from their start there.
        np.testing.assert_array_equal(ours.obs["mode"][rows] + 5, episode.observations["mode"][:-1])
        np.testing.assert_array_equal(ours.action[rows] + [1, 0], episode.actions)
        np.testing.assert_array_equal(ours.reward[rows], episode.rewards)
        np.testing.assert_array_equal(ours.truncated[rows], episode.truncations)
    for source in (str(folder), folder / "data", "theirs-v0"):
        assert read_minari(source).fingerprint == ours.fingerprint


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMATS)
def test_images_that_minari_keeps_as_jpeg(minari_root, form):
    image = spaces.Box(0, 255, (32, 48, 3), np.uint8)
    theirs = by_minari(form=form, obs=image, action=spaces.Discrete(2))
    ours = read_minari("theirs-v0")
    assert ours.spec.obs == Box((32, 48, 3), 0.0, 255.0, "uint8")
    for index, episode in enumerate(theirs.iterate_episodes()):
        np.testing.assert_array_equal(ours.obs[ours.episode_id == index], episode.observations[:-1])
    raw = by_minari("raw-v0", form=form, obs=image, action=spaces.Discrete(2), jpeg_encoding=False)
    np.testing.assert_array_equal(read_minari("raw-v0").obs[:3], next(raw.iterate_episodes()).observations[:-1])


def test_spaces_that_old_metadata_leave_to_the_environment(recorded, tmp_path):
    high = np.array([1.0, 1.0, 8.0])
    spec = Spec(Box((3,), tuple(-high), tuple(high)), Box((1,), -2.0, 2.0))
    path = write_minari(tmp_path / "old-v0", recorded(spec=spec, env_id="Pendulum-v1"))
    edit(path, lambda metadata: [metadata.pop(name) for name in ("observation_space", "action_space")])
    assert read_minari(path).spec == spec
    # A name that would make Gymnasium import a module of the file's choosing is not followed.
    edit(path, lambda metadata: metadata.update(env_spec=json.dumps({"id": "antigravity:Env-v0"})))
    with pytest.raises(DataError, match="'antigravity:Env-v0' is not registered"):
        read_minari(path)


def test_reading_writes_nothing_and_needs_no_home(recorded, tmp_path, minari_root):
    path = write_minari(tmp_path / "x-v0", recorded())
    read_minari(path)
    with pytest.raises(DataError):
        read_minari("not/here-v0")
    assert not minari_root.exists() and not (tmp_path / "home").exists()
    assert sorted(entry.name for entry in path.rglob("*")) == ["data", "main_data.hdf5", "metadata.json"]


def test_actions_out_of_bounds_are_counted_and_clipped(recorded, tmp_path):
    path = write_minari(tmp_path / "x-v0", recorded((3, 2)))
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        file["episode_1/actions"][1] = [0.0, 99.0]
    dataset = read_minari(path)
    assert dataset.summary()["actions_out_of_bounds"] == 1 and dataset.rows().action.max() == 1.0


def edit(path, change):
    file = path / "data" / "metadata.json"
    metadata = json.loads(file.read_text())
    change(metadata)
    file.write_text(json.dumps(metadata))


def described(**space):
    return lambda path: edit(path, lambda metadata: metadata.update(observation_space=json.dumps(space)))


def in_file(change):
    def broken(path):
        with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
            change(file)

    return broken


def put(name, row, value):
    def change(file):
        file[name][row] = value

    return in_file(change)


def exchange(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return in_file(change)


def cut(share):
    def broken(path):
        file = path / "data" / "main_data.hdf5"
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])

    return broken


def foreign(path):
    with h5py.File(path / "data" / "main_data.hdf5", "w") as file:
        file["weights"] = np.zeros(3)


def no_episodes(path):
    in_file(lambda file: [file.__delitem__(name) for name in list(file)])(path)
    edit(path, lambda metadata: metadata.update(total_episodes=0))


def linked(path):
    def change(file):
        del file["episode_0/rewards"]
        file["episode_0/rewards"] = h5py.ExternalLink("other.hdf5", "/rewards")

    in_file(change)(path)


BOX = dict(type="Box", dtype="float32", shape=[3])
FAULTS = {
    "empty folder": (lambda path: shutil.rmtree(path / "data"), "is not a Minari dataset, it is empty"),
    "folder of something else": (
        lambda path: (path / "data").rename(path / "dates"),
        "holds neither data/metadata.json",
    ),
    "no file": (lambda path: (path / "data/main_data.hdf5").unlink(), "main_data.hdf5: no such file"),
    "empty file": (cut(0), "main_data.hdf5: is not an HDF5 file"),
    "half a file": (cut(0.5), "main_data.hdf5: cannot be opened as HDF5, it is cut off"),
    "nearly a file": (cut(0.99), "main_data.hdf5: cannot be opened as HDF5, it is cut off"),
    "text": (lambda path: (path / "data/main_data.hdf5").write_text("hello" * 1000), "is not an HDF5 file"),
    "another HDF5": (foreign, "main_data.hdf5: is no Minari data"),
    "an episode lost": (in_file(lambda file: file.__delitem__("episode_1")), "holds 2 episodes; .* speak of 3"),
    "rewards lost": (in_file(lambda file: file.__delitem__("episode_1/rewards")), "/episode_1/rewards is missing"),
    "points elsewhere": (linked, "/episode_0/rewards points elsewhere"),
    "no episodes": (no_episodes, "holds no episodes"),
    "nan observation": (put("episode_2/observations", 1, np.nan), "'observations' holds nan in episode 2, row 1"),
    "infinite last one": (put("episode_2/observations", 3, np.inf), "'observations' holds inf in episode 2, row 3"),
    "nan action": (put("episode_0/actions", 2, np.nan), "'actions' holds nan in episode 0, row 2"),
    "infinite reward": (put("episode_1/rewards", 0, -np.inf), "'rewards' holds -inf in episode 1, row 0"),
    "observation short": (
        exchange("episode_0/observations", np.zeros((4, 3))),
        r"'observations' of episode 0 has shape \(4, 3\), expected \(5, 3\)",
    ),
    "wide action": (exchange("episode_0/actions", np.zeros((4, 3))), r"'actions' .* \(4, 3\), expected \(4, 2\)"),
    "rewards in columns": (exchange("episode_0/rewards", np.zeros((4, 1))), r"'rewards' .* \(4, 1\), expected \(4,\)"),
    "endings short": (
        exchange("episode_0/truncations", np.zeros(3, bool)),
        r"'truncations' .* \(3,\), expected \(4,\)",
    ),
    "endings of text": (exchange("episode_0/truncations", np.array([b"no"] * 4)), "holds .S2, expected whole numbers"),
    "observations of objects": (
        exchange("episode_0/observations", np.array(["x"] * 5, h5py.string_dtype())),
        "has shape|expected numbers",
    ),
    "metadata cut off": (
        lambda path: (path / "data/metadata.json").write_text('{"total'),
        "metadata.json: is not JSON",
    ),
    "metadata a list": (lambda path: (path / "data/metadata.json").write_text("[]"), "is a list, expected an object"),
    "metadata binary": (lambda path: (path / "data/metadata.json").write_bytes(b"\xff\x00"), "is not JSON"),
    "format": (
        lambda path: edit(path, lambda m: m.update(data_format="pickle")),
        "data format 'pickle'; supported: hdf5",
    ),
    "count": (lambda path: edit(path, lambda m: m.update(total_episodes="3")), "'3' as `total_episodes`"),
    "too many": (lambda path: edit(path, lambda m: m.update(total_episodes=10**15)), "speak of 1000000000000000"),
    "no spaces": (
        lambda path: edit(path, lambda m: m.pop("action_space")),
        "has no `action_space`, and its environment",
    ),
    "tuple": (described(type="Tuple", subspaces=[]), "observation_space: Unsupported space Tuple; supported: Box"),
    "text space": (described(type="Text"), "Unsupported space Text"),
    "nested": (
        described(type="Dict", subspaces={"a": {"type": "Dict", "subspaces": {}}}),
        "Unsupported space empty or nested Dict",
    ),
    "integers": (
        described(type="Box", dtype="int64", shape=[3], low=[0] * 3, high=[1] * 3),
        "Unsupported Box of int64",
    ),
    "dtype": (
        described(type="Box", dtype="rubbish", shape=[3], low=[0] * 3, high=[1] * 3),
        "does not describe a space",
    ),
    "bounds": (described(**BOX, low=[0] * 3, high=[1] * 4), "does not describe a space"),
    "crossed": (described(**BOX, low=[2] * 3, high=[1] * 3), "a lower bound above the upper one"),
    "unbounded": (described(**BOX), "does not describe a space"),
    "choices": (described(type="Discrete", n=0), "0 where a count from 1 was expected"),
    "another space": (
        described(type="Box", dtype="float32", shape=[2], low=[0] * 2, high=[1] * 2),
        r"expected \(5, 2\)",
    ),
    "a dict space": (described(type="Dict", subspaces={"a": {"type": "Discrete", "n": 2}}), "is not a group of arrays"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line_that_names_the_file_and_what_to_do(recorded, tmp_path, fault):
    break_it, says = FAULTS[fault]
    path = write_minari(tmp_path / "x-v0", recorded((4, 1, 3)))
    break_it(path)
    with pytest.raises(DataError, match=says) as caught:
        read_minari(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path)) and message.endswith(".")


@pytest.mark.parametrize("form", ("arrow", "parquet"))
@pytest.mark.filterwarnings("ignore")
def test_damaged_columns_are_refused_too(minari_root, form):
    by_minari(form=form)
    folder = minari_root / "theirs-v0"
    file = next(f for f in (folder / "data" / "1").iterdir() if f.suffix == f".{form}")
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=f"cannot be read as Minari {form}") as caught:
        read_minari(folder)
    assert "\n" not in str(caught.value)
    shutil.rmtree(folder / "data" / "1")
    with pytest.raises(DataError, match="holds 1 episodes; the metadata speak of 2"):
        read_minari(folder)


@pytest.mark.filterwarnings("ignore")
def test_a_number_that_is_missing_is_named_with_its_episode(minari_root):
    by_minari(form="parquet")
    episode = minari_root / "theirs-v0" / "data" / "1"
    file = next(f for f in episode.iterdir() if f.suffix == ".parquet")
    table = pq.read_table(file)
    rewards = pa.array([None, *table["rewards"].to_pylist()[1:]], table["rewards"].type)
    pq.write_table(table.set_column(table.column_names.index("rewards"), "rewards", rewards), file)
    with pytest.raises(DataError, match="'rewards' lacks 1 of its numbers") as caught:
        read_minari(minari_root / "theirs-v0")
    assert str(caught.value).startswith(str(episode))


def test_what_is_not_there_is_named(recorded, tmp_path, minari_root):
    with pytest.raises(DataError, match="no such file or folder. Give the folder"):
        read_minari(tmp_path / "no where")
    with pytest.raises(DataError, match="minari download hopper-v0"):
        read_minari("hopper-v0")
    write_minari(minari_root / "mine" / "hopper-v0", recorded(), dataset_id="mine/hopper-v0")
    with pytest.raises(DataError, match="Did you mean 'mine/hopper-v0'"):
        read_minari("mine/hoper-v0")
    assert len(read_minari("mine/hopper-v0")) == 8
    (tmp_path / "file.hdf5").touch()
    with pytest.raises(DataError, match="is a file; give the folder"):
        read_minari(tmp_path / "file.hdf5")


@pytest.mark.filterwarnings("ignore")
def test_a_real_simulator_recorded_by_minari(minari_root):
    import minari

    env = minari.DataCollector(gymnasium.make("CartPole-v1"))
    for seed in range(3):
        env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(seed % 2)
            over = terminated or truncated
    theirs = env.create_dataset("cartpole/one-way-v0")
    ours = read_minari("cartpole/one-way-v0")
    assert ours.env_id == "CartPole-v1" and len(ours) == theirs.total_steps and ours.seeds == (0, 1, 2)
    np.testing.assert_array_equal(ours.lengths, ours.returns)  # one reward a step
    assert ours.terminated.sum() == 3 and ours.spec.action == Discrete(2)
