import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import expected_return


def world(horizon: int = 300) -> Tabular:
    transition = np.array([[[0.2, 0.5, 0.3], [0.0, 0.6, 0.4]], [[0.5, 0.1, 0.4], [0.1, 0.1, 0.8]], [[0, 0, 1]] * 2])
    reward = [[1.0, 0.0], [0.5, 2.0], [9.0, 9.0]]
    return Tabular.of(transition, reward, start=[0.7, 0.3, 0], terminal=[0, 0, 1], horizon=horizon)


POLICY = np.array([[0.3, 0.7], [0.6, 0.4], [0.5, 0.5]])


def test_episodes_are_whole_and_follow_the_tables() -> None:
    log = tabular_log(world(), POLICY, episodes=4000, seed=0)
    assert log.episodes == 4000
    inside = np.setdiff1d(np.arange(len(log)), log.starts + log.lengths - 1)
    np.testing.assert_array_equal(log.next_obs[inside], log.obs[inside + 1])
    assert log.terminated[log.starts + log.lengths - 1].all()
    assert log.terminated.sum() == 4000
    assert not (log.obs == 2).any()
    share = [(log.action[log.obs == s] == 0).mean() for s in (0, 1)]
    np.testing.assert_allclose(share, POLICY[:2, 0], atol=0.03)
    chosen = (log.obs == 0) & (log.action == 0)
    np.testing.assert_allclose(np.bincount(log.next_obs[chosen]) / chosen.sum(), [0.2, 0.5, 0.3], atol=0.04)
    np.testing.assert_array_equal(log.reward, np.asarray(world().reward)[log.obs, log.action])
    faded = 0.8 ** (np.arange(len(log)) - np.repeat(log.starts, log.lengths))
    returns = np.add.reduceat(faded * log.reward, log.starts)
    assert abs(returns.mean() - expected_return(world(), POLICY, discount=0.8)) < 4 * returns.std() / np.sqrt(4000)


def test_the_horizon_cuts_and_a_seed_is_one_log() -> None:
    log = tabular_log(world(horizon=2), POLICY, episodes=200, seed=1)
    assert log.lengths.max() == 2
    last = log.starts + log.lengths - 1
    np.testing.assert_array_equal(log.truncated[last], ~log.terminated[last])
    assert log.truncated.any()
    assert log.fingerprint == tabular_log(world(horizon=2), POLICY, episodes=200, seed=1).fingerprint
    assert log.fingerprint != tabular_log(world(horizon=2), POLICY, episodes=200, seed=2).fingerprint


def test_faults_are_said_in_one_line() -> None:
    with pytest.raises(SettingError, match="rows that sum to 1"):
        tabular_log(world(), POLICY / 2, episodes=1)
    with pytest.raises(SettingError, match="episodes=0"):
        tabular_log(world(), POLICY, episodes=0)
