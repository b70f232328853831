"""The cached flat form: the same numbers, never stale, made again when damaged, off when it cannot be written."""

import json
import os
import time

import h5py
import jax
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data import flat_cache, read_dataset, reading, write_minari

OLD = 1_000_000_000
SPEC = Spec(DictSpace.of({"place": Box((2,)), "mode": Discrete(3)}), Box((1,), -1.0, 1.0))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, which keeps datasets of any size and age."""
    monkeypatch.setenv("PILOTHOUSE_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(flat_cache, "SMALLEST", 0)
    monkeypatch.setattr(flat_cache, "SETTLED", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    """How often the source itself was read."""
    counted = []
    original = reading.read_minari
    monkeypatch.setattr(reading, "read_minari", lambda source: counted.append(source) or original(source))
    return counted


def mapped(dataset):
    return isinstance(dataset.reward.base, np.memmap)


def test_the_second_opening_maps_the_same_numbers(recorded, tmp_path, cache, reads):
    path = write_minari(tmp_path / "small-v0", recorded((4, 1, 3), SPEC), description="by hand", env_id="Pendulum-v1")
    first, second, third = read_dataset(path), read_dataset(path), read_dataset(path)
    assert len(reads) == 1 and not mapped(first) and mapped(second) and mapped(third)
    for one, other in zip(jax.tree.leaves(first.rows()), jax.tree.leaves(second.rows()), strict=True):
        np.testing.assert_array_equal(one, other)
    assert second.spec == first.spec and second.seeds == first.seeds and second.inferred == first.inferred
    assert (second.name, second.env_id, second.description) == ("small-v0", "Pendulum-v1", "by hand")
    del second.__dict__["fingerprint"]  # that of the mapped arrays themselves
    assert second.fingerprint == first.fingerprint
    assert not list(cache.rglob("*partial*"))


def test_a_changed_source_is_read_again_even_with_its_old_times(recorded, tmp_path, cache, reads):
    path = write_minari(tmp_path / "small-v0", recorded())
    file = path / "data" / "main_data.hdf5"
    before, held = file.stat(), read_dataset(path).reward.copy()
    with h5py.File(file, "a") as opened:
        opened["episode_0/rewards"][0] = 99.0
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size and file.stat().st_mtime_ns == before.st_mtime_ns
    assert read_dataset(path).reward[0] == 99.0 and held[0] != 99.0 and len(reads) == 2
    assert read_dataset(path).reward[0] == 99.0 and len(reads) == 2


def test_a_touched_source_is_read_again_and_kept_once(recorded, tmp_path, cache, reads):
    path = write_minari(tmp_path / "small-v0", recorded())
    read_dataset(path)
    os.utime(path / "data" / "metadata.json", (OLD, OLD))
    read_dataset(path)
    assert len(reads) == 2 and len(list((cache / "flat").iterdir())) == 1


def test_a_source_that_was_just_changed_is_not_entered(recorded, tmp_path, cache, reads, monkeypatch):
    monkeypatch.setattr(flat_cache, "SETTLED", 3600.0)
    path = write_minari(tmp_path / "small-v0", recorded())
    read_dataset(path)
    read_dataset(path)
    assert len(reads) == 2 and not cache.exists()


def cut(cache):
    file = next((cache / "flat").glob("*/reward.npy"))
    file.write_bytes(file.read_bytes()[:-8])


def overwrite(cache):
    file = next((cache / "flat").glob("*/reward.npy"))
    time.sleep(0.02)  # the clock of the file system ticks
    file.write_bytes(bytes(len(file.read_bytes())))


def pickled(cache):
    folder = next((cache / "flat").iterdir())
    np.save(folder / "reward.npy", np.array([{}] * 8, dtype=object), allow_pickle=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    stat = (folder / "reward.npy").stat()
    manifest["arrays"]["reward"] = [stat.st_size, stat.st_mtime_ns]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def lost(cache):
    next((cache / "flat").glob("*/obs-0.npy")).unlink()


def no_manifest(cache):
    next((cache / "flat").glob("*/manifest.json")).write_text("[1")


def no_entry(cache):
    next((cache / "entries").iterdir()).write_text('{"files"')


@pytest.mark.parametrize("damage", (cut, overwrite, pickled, lost, no_manifest, no_entry))
def test_a_damaged_entry_is_made_again(recorded, tmp_path, cache, reads, capsys, damage):
    dataset = recorded()
    path = write_minari(tmp_path / "small-v0", dataset)
    read_dataset(path)
    damage(cache)
    assert read_dataset(path).fingerprint == dataset.fingerprint and len(reads) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "made again" in said.err
    assert mapped(read_dataset(path)) and len(reads) == 2 and capsys.readouterr().err == ""


def test_off_small_and_unwritable_are_no_fault(recorded, tmp_path, cache, reads, monkeypatch, capsys):
    path = write_minari(tmp_path / "small-v0", recorded())
    read_dataset(path, cache=False)
    monkeypatch.setattr(flat_cache, "SMALLEST", 2**30)
    read_dataset(path)
    monkeypatch.setattr(flat_cache, "SMALLEST", 0)
    monkeypatch.setenv("PILOTHOUSE_DATA_CACHE", "off")
    read_dataset(path)
    assert not cache.exists() and capsys.readouterr().err == ""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PILOTHOUSE_DATA_CACHE", str(tmp_path / "file" / "below"))
    assert len(read_dataset(path)) == 8 and len(reads) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_above_the_budget_the_first_opening_maps_too(recorded, tmp_path, cache, monkeypatch):
    path = write_minari(tmp_path / "small-v0", recorded())
    monkeypatch.setenv("PILOTHOUSE_DATA_BUDGET", "0")
    assert mapped(read_dataset(path))
    monkeypatch.setenv("PILOTHOUSE_DATA_BUDGET", "much")
    with pytest.raises(SettingError, match="whole number of MiB"):
        flat_cache.budget()


def test_what_was_used_longest_ago_makes_room(recorded, tmp_path, cache, monkeypatch):
    paths = [write_minari(tmp_path / f"small-v{i}", recorded(seed=i)) for i in range(3)]
    for path in paths[:2]:
        read_dataset(path)
    kept = {path: cache / "flat" / read_dataset(path).fingerprint for path in paths[:2]}
    os.utime(kept[paths[1]], (OLD, OLD))
    size = sum(file.stat().st_size for file in kept[paths[0]].iterdir())
    monkeypatch.setattr(flat_cache, "LARGEST", 2 * size)
    read_dataset(paths[2])
    assert kept[paths[0]].exists() and not kept[paths[1]].exists()


def test_the_column_map_is_part_of_the_key(tmp_path, cache):
    path = tmp_path / "table.csv"
    path.write_text("a,b,action,episode\n1.0,2.0,0.5,0\n3.0,4.0,0.5,0\n")
    for _ in range(2):
        assert read_dataset(path, columns={"obs": "a"}).obs.tolist() == [[1.0]]
        assert read_dataset(path, columns={"obs": ["b", "a"]}).obs.tolist() == [[2.0, 1.0]]
