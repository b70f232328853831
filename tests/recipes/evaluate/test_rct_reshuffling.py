"""Reshuffling exchanges only those whom no arm would have chosen; exchanging more of them would be wrong."""

import itertools

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.reshuffling import Trial, reshuffled_means, sample_means
from pilothouse.evaluate.scripted_trial import Cohort, whittle_index
from pilothouse.recipes.evaluate.rct_reshuffling import rct_reshuffling

# Six people, one step, one hand: arm 1 holds 0, 1, 2 and acts on 0, with index 5. Person 3 has index 9 and would have
# been chosen in arm 1: it must stay. The others are free.
OUTCOME = [10.0, 1.0, 3.0, 7.0, 2.0, 6.0]
ACTED = [[True]] + [[False]] * 5
INDEX = [[5.0], [1.0], [2.0], [9.0], [4.0], [3.0]]
ARM = [1, 1, 1, 0, 0, 0]


def trial() -> Trial:
    return Trial.of(OUTCOME, ACTED, ARM, (None, INDEX))


def test_worked_by_hand() -> None:
    assert trial().free.tolist() == [False, True, True, False, True, True]
    np.testing.assert_allclose(sample_means(trial()), [15 / 3, 14 / 3])
    # The free ones come to 1, 3, 2 and 6, 3 on average: (7 + 3 + 3) / 3 and (10 + 3 + 3) / 3.
    np.testing.assert_allclose(reshuffled_means(trial()), [13 / 3, 16 / 3])


def test_it_is_the_mean_over_every_permissible_reassignment_and_over_no_other() -> None:
    """Brute force: all dealings of six people into two arms of three, by running the policies again."""
    found, all_of_them = [], []
    for members in itertools.combinations(range(6), 3):
        arm = np.isin(np.arange(6), members).astype(int)
        all_of_them.append(sample_means(trial().reassigned(arm)))
        if trial().permissible(arm):
            found.append(all_of_them[-1])
    assert len(found) == 6
    np.testing.assert_allclose(np.mean(found, axis=0), reshuffled_means(trial()))
    # Fails where whoever was not acted on is free, which moves the one who would have been chosen.
    assert abs(np.mean(all_of_them, axis=0) - reshuffled_means(trial())).max() > 0.3


def test_over_several_steps_one_step_above_the_line_is_enough_to_stay() -> None:
    acted = [[True, False], [False, True], [False, False], [False, False], [False, False], [False, False]]
    index = [[5, 0], [1, 5], [1, 1], [1, 6], [9, 1], [2, 2]]
    found = Trial.of(OUTCOME, acted, ARM, (None, index))
    assert found.free.tolist() == [False, False, True, False, False, True]
    for one, other in ((2, 5), (2, 3), (1, 5)):
        arm = np.array(ARM)
        arm[[one, other]] = arm[[other, one]]
        assert found.permissible(arm) == (found.free[one] and found.free[other])


def test_where_nobody_is_free_the_means_stay() -> None:
    everybody = Trial.of(OUTCOME, [[True]] * 3 + [[False]] * 3, ARM, (None, [[1.0]] * 3 + [[2.0]] * 3))
    assert not everybody.free.any()
    np.testing.assert_array_equal(reshuffled_means(everybody), sample_means(everybody))


def test_two_policies_that_both_act() -> None:
    acted, zero, one = np.eye(6, 1, dtype=bool) | np.eye(6, 1, -3, dtype=bool), [[1.0]] * 6, INDEX
    zero = [[1.0], [0.0], [7.0], [6.0], [0.0], [0.0]]
    one = [[5.0], [1.0], [2.0], [9.0], [4.0], [3.0]]
    found = Trial.of(OUTCOME, acted, ARM, (zero, one))
    # Person 2 would have been chosen by the other arm; 1, 4 and 5 by none.
    assert found.free.tolist() == [False, True, False, False, True, True]
    np.testing.assert_allclose(reshuffled_means(found), [(7 + 3 + 3) / 3, (10 + 3 + 3) / 3])


def test_it_is_unbiased_and_less_noisy_over_trials_of_one_cohort() -> None:
    cohort = Cohort.drawn(40, seed=0)
    ranks = whittle_index(cohort.chances)
    states, acted, arm, outcome = cohort.trials(ranks, trials=400, steps=3, budget=2, seed=1)
    found = np.empty((400, 2))
    for number in range(400):
        index = ranks[np.arange(40)[:, None], states[number]]
        one = Trial.of(outcome[number], acted[number], arm[number], (None, index))
        found[number] = [means[1] - means[0] for means in (sample_means(one), reshuffled_means(one))]
    gap = found[:, 1] - found[:, 0]
    assert abs(gap.mean()) < 3 * gap.std() / 20
    assert found[:, 1].std() < 0.9 * found[:, 0].std()


def test_the_index_is_that_of_value_iteration() -> None:
    # Acting lifts the chance from 0.2 to 0.7 whatever the state, and nothing is remembered: the subsidy is 0.5.
    plain = np.array([[[0.2, 0.2], [0.7, 0.7]]])
    np.testing.assert_allclose(whittle_index(plain, discount=0.9), [[0.5, 0.5]], atol=1e-9)
    chances = Cohort.drawn(3, seed=2).chances
    found = whittle_index(chances, discount=0.8)
    for person in range(3):
        for state in (0, 1):
            value = np.zeros(2)
            for _ in range(300):
                q = chances[person] * (1 + 0.8 * (value[1] - value[0])) + 0.8 * value[0]
                q[0] += found[person, state]
                value = q.max(0)
            assert q[0, state] == pytest.approx(q[1, state], abs=1e-8)


def test_the_cohort_is_acted_on_by_its_highest_indices() -> None:
    cohort = Cohort.drawn(10, seed=3)
    ranks = whittle_index(cohort.chances)
    states, acted, arm, outcome = cohort.trials(ranks, trials=3000, steps=2, budget=2, seed=4)
    assert (acted.sum(1) == 2).all() and not acted[arm == 0].any() and (arm.sum(1) == 5).all()
    np.testing.assert_array_equal(states[:, :, 0], np.tile(cohort.begin, (3000, 1)))
    left = ~acted[:, 0, 0]
    assert states[left, 0, 1].mean() == pytest.approx(cohort.chances[0, 0, cohort.begin[0]], abs=0.03)
    assert outcome.max() <= 2


def test_from_a_log() -> None:
    rows = {
        "obs": np.zeros(6, int), "action": np.ravel(ACTED).astype(int), "reward": np.array(OUTCOME),
        "next_obs": np.zeros(6, int), "terminated": np.ones(6, bool), "truncated": np.zeros(6, bool),
    }  # fmt: skip
    log = dataset_from_transitions(rows, Spec(Discrete(2), Discrete(2)), name="trial")
    assess = rct_reshuffling().build(log.spec)
    said = assess(log, arm=ARM, indices=(None, INDEX))
    assert said["reshuffled/1-0"] == pytest.approx(1.0) and said["sample/1-0"] == pytest.approx(-1 / 3)
    assert said["free"] == pytest.approx(4 / 6) and said["acted_on"] == pytest.approx(1 / 6)
    assert set(assess(log)) == {"participants", "outcome", "acted_on"}


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="Arm 1 acted on some with a lower index"):
        Trial.of(OUTCOME, ACTED, ARM, (None, [[0.0], [1.0], [2.0], [9.0], [4.0], [3.0]]))
    with pytest.raises(DataError, match="Arm 0 acted"):
        Trial.of(OUTCOME, ACTED, [0, 1, 1, 0, 0, 1], (None, INDEX))
    with pytest.raises(DataError, match="expected one for each arm"):
        Trial.of(OUTCOME, ACTED, [0] * 6, (None, INDEX))
    with pytest.raises(DataError, match="participants, steps"):
        Trial.of(OUTCOME, [True] + [False] * 5, ARM, (None, INDEX))
    with pytest.raises(SettingError, match=r"discount in \[0, 1\)"):
        whittle_index(np.full((1, 2, 2), 0.5), discount=1.0)
