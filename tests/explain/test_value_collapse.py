"""Where an episode was lost: hand values, and laws on episodes made for it."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.explain.value_collapse import changes, rewards_to_come, value_collapses, values_of_episodes


def test_rewards_to_come_by_hand():
    found = rewards_to_come(np.array([1.0, 2.0, 4.0, 8.0]), np.array([0, 0, 0, 1]), discount=0.5)
    np.testing.assert_allclose(found, [3.0, 4.0, 4.0, 8.0])


def test_changes_by_hand():
    np.testing.assert_allclose(changes(np.array([1.0, 2.0, 4.0, 3.0]), 2), [3.0, 1.0])
    np.testing.assert_allclose(changes(np.array([1.0, 5.0]), 10), [4.0])
    assert len(changes(np.array([1.0]))) == 0


def test_the_fall_is_found_where_it_was_put():
    generator = np.random.default_rng(0)
    episodes = [10 + 0.1 * generator.standard_normal(200) for _ in range(5)]
    episodes[3][120:] -= 6.0
    found = value_collapses(episodes, window=5)
    assert [fall is not None for fall in found] == [False, False, False, True, False]
    assert found[3] is not None and 115 <= found[3].step < 120
    assert found[3].fall == pytest.approx(6.0, abs=0.5)


def test_a_rise_is_no_collapse_and_neither_is_a_steady_decline():
    rise = [np.where(np.arange(50) < 30, 0.0, 9.0), np.zeros(50)]
    assert value_collapses(rise) == [None, None]
    assert value_collapses([np.linspace(9, 0, 60), np.linspace(9, 0, 60)]) == [None, None]
    assert value_collapses([np.zeros(0), np.zeros(1)]) == [None, None]


def test_trembling_is_no_collapse():
    tremble = [12.9 + 0.001 * np.random.default_rng(i).standard_normal(100) for i in range(4)]
    tremble[2][50:] -= 0.05
    assert value_collapses(tremble) == [None] * 4


def test_values_are_learned_from_other_episodes():
    generator = np.random.default_rng(1)
    obs = generator.uniform(-1, 1, (600, 3))
    episode = np.repeat(np.arange(60), 10)
    reward = np.zeros(600)
    reward[9::10] = 1.0
    obs[:, 0] = np.tile(np.arange(10), 60) / 10  # the one feature that says how far the reward is
    found = values_of_episodes(obs, reward, episode, discount=0.9)
    assert found.explained > 0.9
    shuffled = values_of_episodes(generator.permutation(obs), reward, episode, discount=0.9)
    assert shuffled.explained < 0.2
    with pytest.raises(DataError, match="at least 2"):
        values_of_episodes(obs[:10], reward[:10], episode[:10])
