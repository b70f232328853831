"""The mechanism: TQ and SACo are two numbers, of how well data act and of how much they have seen."""

import numpy as np
import pytest

from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data import Episode, dataset_from_episodes
from pilothouse.recipes.offline.dataset_tq_saco import dataset_tq_saco, joined

SPEC = Spec(Discrete(40), Discrete(2))


def walks(*paths, reward: float):
    episodes = []
    for path in paths:
        last = np.arange(len(path) - 1) == len(path) - 2
        rewards = np.full(len(path) - 1, reward)
        actions = np.zeros(len(path) - 1, int)
        episodes.append(Episode(np.asarray(path), actions, rewards, last, np.zeros(len(path) - 1, bool)))
    return dataset_from_episodes(episodes, SPEC, name="walks")


def test_what_acts_well_and_what_has_seen_much_are_told_apart() -> None:
    # Four times the same good path of 5 pairs; twenty different pairs of no worth; the reference has seen both, 25.
    good = walks(*[range(6)] * 4, reward=1.0)
    wide = walks(range(10, 21), range(21, 32), reward=0.0)
    reference = walks(range(6), range(10, 21), range(21, 32), reward=0.5)
    diagnose = dataset_tq_saco().build(SPEC)
    said = [diagnose(data, reference=reference, lowest=0.0, highest=5.0) for data in (good, wide)]
    assert [one["tq"] for one in said] == [1.0, 0.0]
    assert [one["saco"] for one in said] == pytest.approx([5 / 25, 20 / 25])
    # The baseline, the mean return or the number of rows alone, cannot rank both: each number ranks the other way.
    assert len(good) == len(wide) == 20


def test_mixed_data_hold_their_shares_whole() -> None:
    most, rest = walks(range(11), range(11), reward=0.0), walks(range(20, 31), range(20, 31), reward=1.0)
    mixed = joined(most, rest, share=0.75)
    assert len(mixed) == 20 and mixed.reward.sum() == 5 and mixed.episodes == 3
    assert mixed.lengths.tolist() == [10, 5, 5] and mixed.truncated.tolist() == [False] * 14 + [True] + [False] * 4 + [
        True
    ]
