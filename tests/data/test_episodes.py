import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data import Episode, dataset_from_episodes, dataset_from_transitions
from pilothouse.data.episodes import episodes_of

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=5)
TINY = Spec(Box((1,)), Discrete(2))


def episode(**changes):
    """Two steps of `TINY`."""
    plain = dict(
        obs=np.zeros((3, 1)),
        action=np.array([0, 1]),
        reward=np.zeros(2),
        terminated=np.array([False, True]),
        truncated=np.zeros(2, bool),
    )
    return Episode(**(plain | changes))


@given(lengths=LENGTHS)
def test_next_obs_is_the_obs_of_the_next_row_within_an_episode(recorded, lengths):
    dataset = recorded(lengths)
    inner = np.diff(dataset.episode_id) == 0
    np.testing.assert_array_equal(dataset.next_obs[:-1][inner], dataset.obs[1:][inner])
    np.testing.assert_array_equal(dataset.lengths, lengths)
    np.testing.assert_allclose(dataset.returns, [e.reward.sum() for e in episodes_of(dataset)], atol=1e-12)


@given(lengths=LENGTHS)
def test_taken_apart_and_put_together_it_is_the_same(recorded, lengths):
    dataset = recorded(lengths)
    again = dataset_from_episodes(episodes_of(dataset), dataset.spec, name="again")
    assert again.fingerprint == dataset.fingerprint and again.seeds == dataset.seeds


@given(lengths=LENGTHS, ids=st.booleans())
def test_transitions_are_cut_where_episodes_end(recorded, lengths, ids):
    dataset = recorded(lengths)
    rows = {name: getattr(dataset, name) for name in ("obs", "action", "reward", "next_obs", "terminated", "truncated")}
    if ids:
        rows["episode_id"] = dataset.episode_id * 7 + 3  # any numbers will do
    assert dataset_from_transitions(Batch(**rows), dataset.spec, name="loose").fingerprint == dataset.fingerprint


def test_a_rollout_is_one_stream_of_episodes_per_environment():
    # Three steps, two environments: the first ends after two steps, the second never.
    obs = np.arange(6.0).reshape(3, 2, 1)
    rows = dict(
        obs=obs, next_obs=obs + 2, action=np.zeros((3, 2), int), reward=np.ones((3, 2)),
        terminated=np.array([[0, 0], [1, 0], [0, 0]], bool), truncated=np.zeros((3, 2), bool),
    )  # fmt: skip
    dataset = dataset_from_transitions(rows, TINY, name="rollout")
    np.testing.assert_array_equal(dataset.obs[:, 0], [0, 2, 4, 1, 3, 5])
    np.testing.assert_array_equal(dataset.lengths, [2, 1, 3])
    np.testing.assert_array_equal(dataset.terminated, [0, 1, 0, 0, 0, 0])
    # What was cut off by the end of the recording is marked truncated, so that its value still counts.
    np.testing.assert_array_equal(dataset.truncated, [0, 0, 1, 0, 0, 1])


def test_padding_is_left_out():
    rows = dict(
        obs=np.arange(4.0)[:, None], next_obs=np.arange(1.0, 5.0)[:, None], action=np.zeros(4, int), reward=np.ones(4),
        terminated=np.array([0, 1, 0, 0], bool), truncated=np.zeros(4, bool), valid=np.array([1, 1, 0, 0], bool),
    )  # fmt: skip
    assert len(dataset_from_transitions(rows, TINY, name="padded")) == 2
    rows["valid"] = np.zeros(4, bool)
    with pytest.raises(DataError, match="no valid transitions"):
        dataset_from_transitions(rows, TINY, name="padded")


def test_rows_that_are_no_chain_cannot_be_episodes():
    rows = dict(
        obs=np.zeros((2, 1)), next_obs=np.ones((2, 1)), action=np.zeros(2, int), reward=np.ones(2),
        terminated=np.zeros(2, bool), truncated=np.zeros(2, bool),
    )  # fmt: skip
    dataset = dataset_from_transitions(rows, TINY, name="loose")  # to learn from, they will do
    with pytest.raises(DataError, match="after row 0 of episode 0 differs"):
        list(episodes_of(dataset))


FAULTS = {
    "no steps": (
        dict(
            obs=np.zeros((1, 1)),
            action=np.zeros(0, int),
            reward=np.zeros(0),
            terminated=np.zeros(0, bool),
            truncated=np.zeros(0, bool),
        ),
        "episode 1 has no steps",
    ),
    "one observation short": (
        dict(obs=np.zeros((2, 1))),
        r"'observations' of episode 1 has shape \(2, 1\), expected \(3, 1\)",
    ),
    "wide actions": (dict(action=np.zeros((2, 1), int)), r"'actions' of episode 1 has shape \(2, 1\), expected \(2,\)"),
    "few endings": (dict(terminated=np.zeros(1, bool)), r"'terminations' of episode 1 has shape \(1,\)"),
    "text": (dict(obs=np.array([["a"], ["b"], ["c"]])), "holds <U1, expected numbers"),
    "a dict": (dict(obs={"x": np.zeros((3, 1))}), r"is \['x'\], expected one array"),
    "nan": (dict(obs=np.array([[0.0], [np.nan], [0.0]])), "'observations' holds nan in episode 1, row 1"),
    "infinite end": (dict(obs=np.array([[0.0], [0.0], [np.inf]])), "'observations' holds inf in episode 1, row 2"),
    "beyond float32": (dict(reward=np.array([0.0, -1e39])), "'rewards' holds -1e.39 in episode 1, row 1"),
    "choice": (
        dict(action=np.array([0, 2])),
        "'actions' holds 2 in episode 1, row 1; expected whole numbers from 0 to 1",
    ),
    "half a choice": (dict(action=np.array([0.0, 0.5])), "'actions' holds 0.5 in episode 1, row 1"),
    "negative choice": (dict(action=np.array([-1, 0])), "'actions' holds -1 in episode 1, row 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_with_array_episode_and_row(fault):
    changes, says = FAULTS[fault]
    with pytest.raises(DataError, match=f"^here: .*{says}") as caught:
        dataset_from_episodes([episode(), episode(**changes)], TINY, name="faulty", where="here")
    assert "\n" not in str(caught.value)


def test_no_episodes_are_refused():
    with pytest.raises(DataError, match="holds no episodes"):
        dataset_from_episodes([], TINY, name="empty")


def test_transitions_that_lack_something_are_refused():
    with pytest.raises(DataError, match="lack .*next_obs"):
        dataset_from_transitions({"obs": np.zeros((1, 1))}, TINY, name="partial")


@pytest.mark.parametrize("pixel", [256, -1, 0.5])
def test_pixels_out_of_range_are_refused(pixel):
    spec = Spec(Box((1,), 0.0, 255.0, "uint8"), Discrete(2))
    with pytest.raises(DataError, match="'observations' .* episode 0, row 2; expected whole numbers from 0 to 255"):
        dataset_from_episodes([episode(obs=np.array([[0], [255], [pixel]]))], spec, name="pixels")
