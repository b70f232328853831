"""Each fault that a dataset may have is found where it is, counted right, and not found where it is not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data import diagnosis
from pilothouse.data.diagnosis import FAMILIES, diagnose
from pilothouse.data.duplicates import duplicates, hash_rows
from pilothouse.data.episodes import dataset_from_transitions

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


def trajectories(episodes=20, steps=50, *, seed=0, **changed):
    """Walks at random, truncated at their ends, with dense rewards; `changed` arrays replace those drawn."""
    generator = np.random.default_rng(seed)
    rows = episodes * steps
    last = np.arange(rows) % steps == steps - 1
    points = generator.normal(size=(episodes, steps + 1, 2)).cumsum(axis=1)
    given = {
        "obs": points[:, :-1].reshape(rows, 2),
        "next_obs": points[:, 1:].reshape(rows, 2),
        "action": generator.uniform(-1, 1, (rows, 1)),
        "reward": generator.normal(size=rows),
        "terminated": np.zeros(rows, bool),
        "truncated": last,
        "episode_id": np.arange(rows) // steps,
    }
    return dataset_from_transitions({**given, **changed}, SPEC, name="walks-v0")


def level(found, name):
    return {finding.name: finding.level for finding in found.findings}[name]


def test_a_sound_dataset_is_called_sound():
    found = diagnose(trajectories())
    assert not found.faults and found.verdict.startswith("This dataset is sound")
    assert (found.gaps, found.nonfinite, found.out_of_bounds) == (0, 0, 0)
    assert found.duplicates == duplicates(trajectories()) and found.duplicates.transitions == 0
    assert found.constant_obs == found.constant_action == ()
    assert found.endings.truncated == 20 and found.endings.terminated == found.endings.unfinished == 0
    assert found.rewards.kind == "dense"
    # Actions were drawn whatever was seen.
    assert found.behaviour.randomness > 0.9 and found.behaviour.multimodality < 0.05
    json.dumps(found.to_json(), allow_nan=False)


def test_duplicates_by_hand():
    data = trajectories(3, 4)
    twice = data.select([0, 1, 0, 2, 0])
    assert (duplicates(twice).transitions, duplicates(twice).episodes) == (8, 2)
    # The same rows in another order are the same transitions, but no longer the same episode.
    order = np.concatenate([np.arange(4), np.arange(4)[::-1]])
    fields = ("obs", "next_obs", "action", "reward", "terminated")
    mirrored = dataset_from_transitions(
        {f: getattr(data, f)[order] for f in fields}
        | {"truncated": np.zeros(8, bool), "episode_id": np.arange(8) // 4},
        SPEC,
        name="mirrored",
    )
    same = replace(mirrored, truncated=np.zeros(8, bool))
    assert (duplicates(same).transitions, duplicates(same).episodes) == (4, 0)
    # One bit of one number makes another transition; the sign of a zero does not.
    assert len(np.unique(hash_rows([np.array([0.0, -0.0, 1.0, np.nextafter(1.0, 2)])]))) == 3
    assert len(np.unique(hash_rows([np.array([[1, 2], [2, 1]])]))) == 2


def test_hashes_of_many_near_rows_do_not_meet():
    grid = np.stack(np.meshgrid(np.arange(300.0), np.arange(300.0)), axis=-1).reshape(-1, 2).astype(np.float32)
    assert len(np.unique(hash_rows([grid]))) == 90_000
    np.testing.assert_array_equal(hash_rows([grid[::-1]])[::-1], hash_rows([grid]))


def test_gaps_constant_entries_and_bounds_are_counted():
    data = trajectories(4, 10)
    after = data.next_obs.copy()
    after[[3, 25]] += 1.0
    after[9] += 1.0  # the last of an episode has nothing after it
    obs = data.obs.copy()
    obs[:, 1], after[:, 1] = 7.0, 7.0
    action = data.action.copy()
    action[:3] = 1.5
    found = diagnose(trajectories(4, 10, obs=obs, next_obs=after, action=action))
    assert found.gaps == 2 and level(found, "gaps") == "fault"
    assert found.constant_obs == ("obs[1]",) and found.constant_action == ()
    assert found.out_of_bounds == 3 and level(found, "bounds") == "fault"
    assert any(family == "sequence models" for family, _ in found.cautions)


def test_numbers_that_are_not_finite_are_a_fault_and_not_a_traceback():
    reward = trajectories().reward.copy()
    reward[5] = np.nan
    found = diagnose(replace(trajectories(), reward=reward))
    assert found.nonfinite == 1 and level(found, "nonfinite") == "fault"
    json.dumps(found.to_json(), allow_nan=False)


def test_rewards_and_what_they_suit():
    rows = 1000
    constant = diagnose(trajectories(reward=np.zeros(rows)))
    assert constant.rewards.kind == "constant" and level(constant, "rewards") == "fault"
    assert [family for family, _ in constant.suits] == ["imitation"]
    goal = np.zeros(rows)
    goal[[49, 99, 149]] = 1.0  # the last steps of three of twenty episodes
    sparse = diagnose(trajectories(reward=goal))
    assert sparse.rewards.kind == "sparse" and sparse.rewards.events == pytest.approx(3 / 20)
    assert sparse.rewards.usual_share == pytest.approx(0.997)
    assert sparse.suits[0][0] == "constrained value learning" and "parse" in sparse.suits[0][1]
    even = diagnose(trajectories(reward=np.ones(rows) + 1e-3 * trajectories().reward))
    assert even.returns.alike and even.suits[0][0] == "imitation"


def test_endings():
    at_end = trajectories().truncated
    timed = diagnose(trajectories(terminated=at_end, truncated=np.zeros(1000, bool)))
    assert timed.endings.terminated == 20 and level(timed, "endings") == "fault"  # all of one length
    data = trajectories()
    early = data.terminated.copy()
    early[7] = True
    found = diagnose(replace(data, terminated=early))
    assert found.endings.early == 1 and found.endings.terminated == 0 and level(found, "endings") == "fault"


def test_two_ways_to_act_suit_expressive_policies_and_one_does_not():
    generator = np.random.default_rng(0)
    two = (generator.choice([-0.8, 0.8], size=(4000, 1)) + 0.02 * generator.normal(size=(4000, 1))).clip(-1, 1)
    found = diagnose(trajectories(80, 50, action=two))
    assert found.behaviour.multimodality > 0.95
    assert "expressive policies" in dict(found.suits) and "imitation" in dict(found.cautions)
    assert "expressive policies" not in dict(diagnose(trajectories(80, 50)).suits)


def test_families_are_those_that_are_named():
    for found in (diagnose(trajectories()), diagnose(trajectories(reward=np.zeros(1000)))):
        assert found.suits and {family for family, _ in (*found.suits, *found.cautions)} <= set(FAMILIES)


def test_quality_and_coverage_against_references():
    data = trajectories()
    own = diagnose(data).returns
    assert own.tq == pytest.approx((own.mean - own.low) / (own.high - own.low)) and not own.referenced
    given = diagnose(data, references=(own.mean - 1, own.mean + 3)).returns
    assert given.tq == pytest.approx(0.25) and given.referenced
    assert diagnose(data, reference_data=data).coverage.saco == 1.0
    assert diagnose(data.select([0]), reference_data=data).coverage.saco == pytest.approx(1 / 20, rel=0.1)


def test_a_larger_dataset_is_sampled_by_whole_episodes_and_says_so(monkeypatch):
    monkeypatch.setattr(diagnosis, "MOST_ROWS", 200)
    data = trajectories()
    found = diagnose(data)
    assert found.rows_seen == 200 and found.transitions == 1000 and found.gaps == 0
    assert "200 of 1,000" in next(f.sentence for f in found.findings if f.name == "sample")
    assert diagnose(data).to_json() == found.to_json() != diagnose(data, seed=1).to_json()


def test_dicts_and_choices_are_taken(recorded):
    spec = Spec(DictSpace.of({"a": Box((3,)), "b": Discrete(5)}), DictSpace.of({"c": Discrete(2), "d": Box((1,))}))
    found = diagnose(recorded((100, 100), spec))
    assert found.behaviour is not None and found.obs_entries == 4
    json.dumps(found.to_json(), allow_nan=False)


def test_what_lacks_labels_is_told_by_the_episodes_that_have_them():
    """Six rows of episode 0 have no reward, episode 3 none and no action: the other eighteen are described, as alone."""
    data, rows = trajectories(), np.arange(1000)
    partial = data.hiding(reward=(rows < 6) | (rows // 50 == 3), action=rows // 50 == 3)
    found, alone = diagnose(partial), diagnose(data.select([e for e in range(20) if e not in (0, 3)]))
    assert found.unlabelled is not None and alone.unlabelled is None
    assert vars(found.unlabelled) == {"rewards": 56, "actions": 50, "episodes": 2, "rows": 100}
    assert (found.transitions, found.returns, found.numbers) == (900, alone.returns, alone.numbers)
    assert found.findings[0].name == "size" and found.findings[1].sentence == (
        "56 rows have no reward and 50 rows have no action, in 2 episodes of 100 transitions; all else that is said here "
        "is of the 18 episodes with every label."
    )
    assert [family for family, _ in found.suits][:2] == ["imputed rewards", "imputed actions"]
    assert found.suits[2:] == alone.suits
    with pytest.raises(DataError, match="no episode has all of both"):
        diagnose(data.hiding(reward=rows % 50 == 7))
