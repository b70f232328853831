import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data import Episode, dataset_from_episodes

BOUNDED = Spec(Box((2,)), Box((1,), 0.0, 4.0))


def two_episodes():
    """Rewards 1, 2 and 10; actions 0, 4 and 5 in bounds 0 to 4; one episode terminates, one is left unfinished."""
    first = Episode(
        obs=np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]]),
        action=np.array([[0.0], [4.0]]),
        reward=np.array([1.0, 2.0]),
        terminated=np.array([False, True]),
        truncated=np.array([False, False]),
    )
    second = Episode(
        obs=np.array([[5.0, 5.0], [7.0, 5.0]]),
        action=np.array([[5.0]]),
        reward=np.array([10.0]),
        terminated=np.array([False]),
        truncated=np.array([False]),
    )
    return dataset_from_episodes([first, second], BOUNDED, name="two-v0")


def test_rows_by_hand():
    rows = two_episodes().rows()
    np.testing.assert_array_equal(rows.obs, np.float32([[0, 5], [1, 5], [5, 5]]))
    np.testing.assert_array_equal(rows.next_obs, np.float32([[1, 5], [2, 5], [7, 5]]))
    # (0 - 2) / 2 = -1, (4 - 2) / 2 = 1, (5 - 2) / 2 = 1.5, clipped to 1.
    np.testing.assert_array_equal(rows.action, np.float32([[-1], [1], [1]]))
    np.testing.assert_array_equal(rows.terminated, [False, True, False])
    np.testing.assert_array_equal(rows.truncated, [False, False, False])
    np.testing.assert_array_equal(rows.episode_id, [0, 0, 1])
    np.testing.assert_array_equal(rows.duration, [1, 1, 1])
    assert rows.valid.all()
    assert {name: rows[name].dtype.name for name in ("obs", "action", "reward", "episode_id", "duration")} == {
        "obs": "float32", "action": "float32", "reward": "float32", "episode_id": "int32", "duration": "int32",
    }  # fmt: skip


def test_summary_by_hand():
    summary = two_episodes().summary()
    # Returns 3 and 10; quartiles by linear interpolation 4.75, 6.5, 8.25.
    assert summary == {
        "episodes": 2, "transitions": 3, "return_mean": 6.5, "return_std": 3.5, "return_min": 3.0, "return_q25": 4.75,
        "return_median": 6.5, "return_q75": 8.25, "return_max": 10.0, "length_mean": 1.5, "length_min": 1,
        "length_max": 2, "terminated": 1, "truncated": 0, "unfinished": 1, "reward_min": 1.0,
        "reward_mean": pytest.approx(13 / 3), "reward_max": 10.0, "action_saturation": 1.0,
        "actions_out_of_bounds": 1, "nonfinite": 0,
    }  # fmt: skip


def test_scaler_by_hand():
    # Observations 0, 1, 5: mean 2, variance (4 + 1 + 9) / 3; the second entry never changes: floor 1e-3.
    mean, std = two_episodes().scaler()
    np.testing.assert_allclose(mean, [2.0, 5.0], rtol=1e-6)
    np.testing.assert_allclose(std, [np.sqrt(14 / 3), 1e-3], rtol=1e-6)
    assert mean.dtype == std.dtype == np.float32


def test_an_action_at_its_bound_in_float32_is_not_out_of_bounds():
    # float32(0.4) is 0.4000000059: above 0.4 in float64, at the bound in float32.
    spec = Spec(Box((1,)), Box((1,), -0.4, 0.4))
    last = np.array([True])
    episode = Episode(np.zeros((2, 1)), np.array([[0.4]], np.float32), np.zeros(1), last, ~last)
    summary = dataset_from_episodes([episode], spec, name="edge").summary()
    assert summary["actions_out_of_bounds"] == 0 and summary["action_saturation"] == 1.0


def test_named_observations_keep_their_kinds(recorded):
    spaces = {
        "pixels": Box((4, 4, 3), 0.0, 255.0, "uint8"),
        "place": Box((2,)),
        "mode": Discrete(3),
        "action_mask": Box((2,), 0.0, 1.0),
    }
    dataset = recorded((2, 3), Spec(DictSpace.of(spaces), Discrete(2)))
    rows = dataset.rows()
    kinds = {name: array.dtype.name for name, array in rows.obs.items()}
    assert kinds == {"pixels": "uint8", "place": "float32", "mode": "int32", "action_mask": "float32"}
    assert rows.action.dtype == np.int32
    mean, std = dataset.scaler()
    assert mean["place"].shape == (2,) and set(mean) == set(std) == set(spaces)
    for name in ("pixels", "mode", "action_mask"):  # what is no real number is not scaled
        assert mean[name] == 0 and std[name] == 1


def test_fingerprint_is_of_the_contents_alone(recorded):
    one, same = recorded(), recorded(name="other-v3", description="renamed")
    assert one.fingerprint == same.fingerprint and len(one.fingerprint) == 64
    for changed in (recorded(dtype=np.float32), recorded((4, 2, 2)), one.select([0, 1]), one.select([1, 0, 2])):
        assert changed.fingerprint != one.fingerprint
    nudged = recorded()
    nudged.reward[5] += 1e-9
    assert nudged.fingerprint != one.fingerprint


def test_fingerprint_is_the_same_tomorrow():
    # Checkpoints hold fingerprints of their data, so the code may not change them.
    pinned = "a8f41fd6d358e1507bcc91bb586dfac75f5c3084c3b5ddf765b02d1e2029728c"
    assert two_episodes().fingerprint == pinned


@given(
    lengths=st.lists(st.integers(1, 4), min_size=2, max_size=6), fraction=st.floats(0.05, 0.95), seed=st.integers(0, 5)
)
def test_a_split_parts_whole_episodes_and_loses_none(recorded, lengths, fraction, seed):
    whole = recorded(lengths)
    parts = whole.split(fraction, seed=seed)
    assert sorted(np.concatenate([part.returns for part in parts])) == sorted(whole.returns)
    assert sum(map(len, parts)) == len(whole) and min(part.episodes for part in parts) >= 1
    assert abs(parts[0].episodes - fraction * whole.episodes) <= 1
    again = whole.split(fraction, seed=seed)
    assert [part.fingerprint for part in again] == [part.fingerprint for part in parts]
    seeds = [seed for part in parts for seed in part.seeds]
    assert sorted(seeds) == sorted(whole.seeds)


@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_a_selection_holds_the_rows_of_its_episodes_in_order(recorded, lengths, seed):
    whole = recorded(lengths)
    chosen = np.random.default_rng(seed).integers(whole.episodes, size=3)
    taken = whole.select(chosen)
    rows = np.concatenate([np.flatnonzero(whole.episode_id == episode) for episode in chosen])
    for field in ("obs", "next_obs", "action", "reward", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(taken, field), getattr(whole, field)[rows])
    np.testing.assert_array_equal(np.diff(taken.episode_id) != 0, np.isin(np.arange(1, len(taken)), taken.starts))


def test_selections_and_splits_that_cannot_be_are_refused(recorded):
    dataset = recorded((2, 2))
    for episodes in ([], [2], [-1]):
        with pytest.raises(DataError, match="episodes 0 to 1"):
            dataset.select(episodes)
    with pytest.raises(SettingError, match="between 0 and 1"):
        dataset.split(1.0, seed=0)
    with pytest.raises(DataError, match="at least two"):
        recorded((3,)).split(0.5, seed=0)


def test_moments_of_many_rows_are_those_of_all_at_once(recorded, monkeypatch):
    dataset = recorded((40, 60))
    expected = dataset.scaler()
    monkeypatch.setattr("pilothouse.data.dataset._AT_ONCE", 7)
    for one, other in zip(dataset.scaler(), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_rows_by_their_numbers_are_those_of_all_rows(recorded, tmp_path):
    dataset = recorded((4, 3))
    np.save(tmp_path / "obs.npy", dataset.obs)
    mapped = dataclasses.replace(dataset, obs=np.asarray(np.load(tmp_path / "obs.npy", mmap_mode="r")))
    numbers = np.array([5, 0, 0])
    for one, other in zip(jax.tree.leaves(mapped.rows(numbers)), jax.tree.leaves(dataset.rows()), strict=True):
        np.testing.assert_array_equal(one, other[numbers])
    np.testing.assert_array_equal(mapped.obs, dataset.obs)  # pages that were given back are read again
