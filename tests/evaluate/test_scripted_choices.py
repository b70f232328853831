"""Choices with a chance: the data follow the world's own chances, and the best action is the best by exact values."""

import numpy as np

from pilothouse.evaluate.scripted_choices import CONTEXTS, WON, choices_with_chance
from pilothouse.worlds.tabular_exact import optimal


def test_rows_win_as_often_as_the_world_says_and_the_expert_is_the_best() -> None:
    world, data = choices_with_chance(1.0, 20_000, seed=3)
    first = data.obs < CONTEXTS
    assert first.sum() == 10_000 and (data.next_obs[first] >= WON).all() and data.terminated[~first].all()
    best = optimal(world, discount=0.9).best
    np.testing.assert_array_equal(data.action[first], best[data.obs[first]])
    np.testing.assert_allclose((data.next_obs[first] == WON).mean(), 0.7, atol=0.02)
    np.testing.assert_allclose(data.reward[~first], data.obs[~first] == WON)


def test_shares_are_as_told() -> None:
    world, data = choices_with_chance(0.25, 20_000, seed=4)
    first, best = data.obs < CONTEXTS, optimal(world, discount=0.9).best
    np.testing.assert_allclose((data.action[first] == best[data.obs[first]]).mean(), 0.25, atol=0.02)
