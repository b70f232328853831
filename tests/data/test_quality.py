import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data import Episode, dataset_from_episodes
from pilothouse.data.quality import (
    Grid,
    occupancy,
    occupancy_entropy,
    quality,
    reward_sparsity,
    state_action_coverage,
    trajectory_quality,
)


def walk(states, actions, rewards=None, spec=None):
    """One episode through these states (one more than actions), in a tabular world of 9 states and 4 actions."""
    steps = len(actions)
    last = np.arange(steps) == steps - 1
    rewards = np.zeros(steps) if rewards is None else np.asarray(rewards, float)
    episode = Episode(np.asarray(states), np.asarray(actions), rewards, last, np.zeros(steps, bool))
    return dataset_from_episodes([episode], spec or Spec(Discrete(9), Discrete(4)), name="walk")


def test_trajectory_quality_by_hand():
    # Mean return 3; (3 - 1) / (9 - 1) = 0.25.
    assert trajectory_quality([2, 4], lowest=1, highest=9) == 0.25
    assert trajectory_quality([1], lowest=1, highest=9) == 0 and trajectory_quality([11], lowest=1, highest=9) == 1.25
    with pytest.raises(SettingError, match="lowest < highest"):
        trajectory_quality([1], lowest=2, highest=2)
    with pytest.raises(DataError, match="at least one"):
        trajectory_quality([], lowest=0, highest=1)


def test_coverage_by_hand():
    # Pairs (0,0) (1,0) (0,0) (1,1): three distinct; the reference has six, of (0,0) (1,1) (2,2) (3,3) (4,0) (5,1).
    data = walk([0, 1, 0, 1, 2], [0, 0, 0, 1])
    reference = walk([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 0, 1])
    assert state_action_coverage(data, reference) == 0.5
    assert state_action_coverage(reference, data) == 2.0
    counts = occupancy(data, Grid.over((data,)))
    assert sorted(counts) == [1, 1, 2]
    # -(1/4 log 1/4) * 2 - 1/2 log 1/2 = 3/2 log 2.
    assert occupancy_entropy(counts) == pytest.approx(1.5 * np.log(2))
    numbers = quality(data, lowest=-1, highest=1, reference=reference)
    assert numbers["tq"] == 0.5 and numbers["saco"] == 0.5
    assert (numbers["unique_pairs"], numbers["unique_observations"], numbers["reward_sparsity"]) == (3, 2, 1.0)


def test_cells_by_hand():
    # Four cells over [0, 8]: 0, 1.9 | 2 | 7.9, 8, so three of them are visited; told apart exactly, all five.
    spec = Spec(Box((1,)), Discrete(1))
    data = walk([[0.0], [1.9], [2.0], [7.9], [8.0], [0.0]], [0] * 5, spec=spec)
    assert len(occupancy(data, Grid.over((data,), bins=4))) == 3
    assert len(occupancy(data, Grid.over((data,), bins=None))) == 5
    # What lies outside the grid falls into the outermost cells.
    wide = walk([[-100.0], [0.0], [8.0], [100.0]], [0] * 3, spec=spec)
    assert len(occupancy(wide, Grid.over((data,), bins=4))) == 2


@given(seed=st.integers(0, 50), bins=st.sampled_from([None, 1, 5, 100]))
def test_laws_of_coverage(recorded, seed, bins):
    spec = Spec(DictSpace.of({"a": Box((2,)), "b": Discrete(2)}), Box((1,), -1.0, 1.0))
    one, other = recorded((6, 5), spec, seed=seed), recorded((7,), spec, seed=seed + 1)
    grid = Grid.over((one, other), bins=bins)
    counts = occupancy(one, grid)
    assert counts.sum() == len(one) and 1 <= len(counts) <= len(one)
    assert occupancy_entropy(counts) <= np.log(len(counts)) + 1e-12
    assert state_action_coverage(one, one, grid) == 1.0
    # Repeating episodes shows nothing new; leaving some out cannot show more.
    assert len(occupancy(one.select([0, 1, 0, 0]), grid)) == len(counts)
    assert len(occupancy(one.select([0]), grid)) <= len(counts)
    assert len(occupancy(one, grid, "obs")) <= len(counts)
    np.testing.assert_allclose(
        state_action_coverage(one, other, grid), 1 / state_action_coverage(other, one, grid), rtol=1e-12
    )


def test_sparsity_is_averaged_over_episodes():
    # Half of the first episode's steps are without reward, all of the second's: 0.75.
    spec = Spec(Discrete(9), Discrete(4))
    first = Episode(np.arange(5), np.zeros(4, int), np.array([0.0, 1, 0, 2]), np.zeros(4, bool), np.zeros(4, bool))
    second = Episode(np.arange(2), np.zeros(1, int), np.zeros(1), np.zeros(1, bool), np.zeros(1, bool))
    assert reward_sparsity(dataset_from_episodes([first, second], spec, name="two")) == 0.75


def test_data_of_different_spaces_are_not_compared(recorded):
    with pytest.raises(DataError, match="different spaces"):
        state_action_coverage(recorded(), walk([0, 1], [0]))
    with pytest.raises(SettingError, match="1 to 65535"):
        Grid.over((recorded(),), bins=0)
