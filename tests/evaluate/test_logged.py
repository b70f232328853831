import numpy as np
import pytest
from small_logs import BEHAVIOUR, case

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.importance import trajectory_importance
from pilothouse.evaluate.logged import Estimate, Logged, counted_propensities, effective_episodes

GOOD = {"reward": [1.0, 2.0, 3.0], "episode_id": [4, 4, 9], "behaviour": [0.5, 0.25, 1.0], "target": [1, 0.5, 0]}


def test_index_and_weights_by_hand() -> None:
    log = Logged.of_arrays(**GOOD, discount=0.5)
    assert (len(log), log.episodes) == (3, 2)
    assert log.starts.tolist() == [0, 2]
    assert log.last.tolist() == [1, 2]
    assert log.episode.tolist() == [0, 0, 1]
    assert log.time.tolist() == [0, 1, 0]
    np.testing.assert_allclose(log.fade, [1, 0.5, 1])
    np.testing.assert_allclose(log.returns, [2, 3])
    np.testing.assert_allclose(log.weight, [2, 4, 0])
    # Kish: (4 + 0) ** 2 / 16 = 1 episode of 2.
    assert effective_episodes(log) == pytest.approx(1)
    np.testing.assert_allclose(log.following(np.array([5.0, 6.0, 7.0]), None), [6, 0, 0])


def test_what_follows_a_cut_episode_is_what_came_after() -> None:
    log = Logged.of_arrays([0.0, 0.0, 0.0], [0, 0, 1], terminated=[False, False, True])
    np.testing.assert_allclose(log.following(np.array([5.0, 6.0, 7.0]), np.array([8.0, 9.0])), [6, 8, 0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"behaviour": [0.5, 0.0, 1.0]}, "`behaviour` is 0 at row 1; expected propensities above 0"),
        ({"behaviour": [0.5, 1.5, 1.0]}, "`behaviour` is 1.5 at row 1.*density=True"),
        ({"target": [0.5, 0.5, -0.1]}, "`target` is -0.1 at row 2"),
        ({"target": [0.5, 0.5]}, "`target` has 2 rows and the log 3"),
        ({"behaviour": [0.5, np.nan, 1.0]}, "`behaviour` is nan at row 1"),
        ({"reward": [1.0, np.inf, 0.0]}, "`reward` is inf at row 1"),
        ({"reward": [], "episode_id": []}, "0 rewards"),
        ({"episode_id": [4, 9]}, "2 episode ids"),
        ({"episode_id": [4, 9, 4]}, "sort the log"),
        ({"time": [1, 0, 0]}, "Row 0 has time 1, expected 0: steps are shuffled"),
        ({"time": [0, 2, 0]}, "Row 1 has time 2, expected 1"),
        ({"time": [0, 1]}, "`time` has 2 rows"),
        ({"terminated": [True, False, True]}, "Row 0 terminates in the midst"),
        ({"terminated": [True]}, "`terminated` has 1 rows"),
    ],
)
def test_faults_are_said_in_one_line(changed: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as fault:
        Logged.of_arrays(**{**GOOD, **changed})
    assert "\n" not in str(fault.value)


def test_what_may_not_be_a_probability_may_be_a_density() -> None:
    log = Logged.of_arrays([1.0], [0], behaviour=[2.0], target=[4.0], density=True)
    assert log.ratio.tolist() == [2.0]
    with pytest.raises(DataError, match="above 0"):
        Logged.of_arrays([1.0], [0], behaviour=[0.0], target=[4.0], density=True)


def test_a_discount_out_of_range_and_an_overflow() -> None:
    with pytest.raises(SettingError, match=r"discount=1\.1"):
        Logged.of_arrays(**GOOD, discount=1.1)
    long = Logged.of_arrays(np.ones(400), np.zeros(400), behaviour=np.full(400, 0.1), target=np.ones(400))
    with pytest.raises(DataError, match="overflows at row 308"):
        _ = long.weight


def test_an_estimate_of_one_episode_is_not_sure() -> None:
    assert not Estimate.mean_of(np.array([1.0])).interval().known


def test_counted_propensities_by_hand_and_their_use() -> None:
    shares = counted_propensities(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]))
    np.testing.assert_allclose(shares, [2 / 3, 2 / 3, 1 / 3, 1])
    known, counted = [], []
    for seed in range(150):
        made = case(200, seed)
        log = made.logged
        other = Logged.of_arrays(
            log.reward, log.episode, behaviour=counted_propensities(made.obs, made.action), target=log.target,
            discount=log.discount,
        )  # fmt: skip
        known.append(trajectory_importance(log).value)
        counted.append(trajectory_importance(other).value)
    assert np.std(counted) < 0.9 * np.std(known)
    assert abs(np.mean(counted) - made.truth) < 4 * np.std(counted) / np.sqrt(150) + 0.01
    np.testing.assert_allclose(counted_propensities(made.obs, made.action), BEHAVIOUR[made.obs, made.action], atol=0.12)
    with pytest.raises(DataError, match="expected equally many"):
        counted_propensities(np.array([0]), np.array([0, 1]))
