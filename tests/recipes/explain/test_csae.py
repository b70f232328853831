"""The mechanism: what differs between two continuations goes to one half of the features, and not without the contrast."""

import dataclasses

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.continuations import continuations, own_continuations, shuffled, together
from pilothouse.explain.contrastive_features import contrastive_features, probe
from pilothouse.explain.watched import Watched

SPEC = Spec(Box((4,)), Discrete(2))


def watched(obs: list[np.ndarray], reward: float = 1.0) -> Watched:
    """One episode a block of rows; the latents are the observations."""
    length = [len(one) for one in obs]
    last = np.concatenate([np.arange(n) == n - 1 for n in length])
    rows = np.concatenate(obs).astype(np.float32)
    return Watched(
        SPEC, ("a", "b", "c", "d"), rows, np.zeros(len(rows), int), np.full(len(rows), reward), rows,
        np.zeros(len(rows), bool), last, np.repeat(np.arange(len(obs)), length),
        np.concatenate([np.arange(n) for n in length]), {"latent": rows},
    )  # fmt: skip


def starts(episodes: int = 60, length: int = 5, seed: int = 0) -> tuple[Watched, Watched]:
    """Episodes of one start each; the better ones go on to a high `c`, the worse ones to a high `d`."""
    rng = np.random.default_rng(seed)
    both: list[list[np.ndarray]] = [[], []]
    for _ in range(episodes):
        place = rng.normal(size=2)
        for side in (0, 1):
            rows = np.tile(np.r_[place, 0, 0], (length, 1)) + 0.1 * rng.normal(size=(length, 4))
            rows[0] = np.r_[place, 0, 0]
            rows[1:, 2 + side] += 1 + rng.random(length - 1)
            both[side].append(rows)
    return watched(both[0]), watched(both[1])


@pytest.fixture(scope="module")
def study():
    pairs = continuations(*starts(), ahead=4)
    how = {"units": 16, "sparsity": 0.1, "updates": 600, "batch": 64, "lr": 5e-3}
    return contrastive_features(pairs, pairs.seen.extras["latent"], contrast=1.0, **how)


def test_the_differential_half_knows_which_is_better_and_the_common_half_does_not(study) -> None:
    assert study.differential > 0.95 and study.common < 0.7 and study.sanity_passed
    assert study.plain > 0.9  # without the contrast any half knows, and nothing is told apart
    assert abs(study.chance - 0.5) < 0.2 and study.explained > 0.7
    assert {one.named for one in study.features[:2]} <= {"c", "d"}
    study.as_json()


def test_pairs_share_a_start_and_are_as_many_steps_after_it() -> None:
    better, worse = starts(3)
    worse = worse.rows(~((worse.episode == 1) & (worse.step > 2)))  # the second one ends early
    pairs = continuations(better, worse, ahead=3)
    assert [int((pairs.pair == one).sum()) for one in range(3)] == [3, 2, 3]
    seen = pairs.seen
    np.testing.assert_array_equal(seen.step[pairs.better], seen.step[pairs.worse])
    np.testing.assert_array_equal(seen.step[pairs.root], 0)
    np.testing.assert_array_equal(seen.episode[pairs.root], seen.episode[pairs.better])
    assert (seen.obs[pairs.better, 2] > 0.6).all() and (seen.obs[pairs.worse, 3] > 0.6).all()
    wide = together(pairs, seen.obs)
    np.testing.assert_array_equal(wide[0, :, :4], wide[1, :, :4])
    np.testing.assert_array_equal(wide[1, :, 4:], seen.obs[pairs.worse])
    mixed = shuffled(pairs, 0)
    assert sorted(mixed.worse) == sorted(pairs.worse) and (mixed.worse != pairs.worse).any()


def test_two_that_begin_elsewhere_are_no_pairs() -> None:
    better, worse = starts(2)
    with pytest.raises(DataError, match="same seeds"):
        continuations(better, dataclasses.replace(worse, obs=worse.obs + 1), ahead=3)
    with pytest.raises(DataError, match="second step"):
        continuations(better.rows(better.step == 0), worse, ahead=3)


def test_a_policys_own_better_and_worse_episodes_from_near_starts() -> None:
    place = [0.0, 10.0, 0.1, 10.2]
    seen = watched([np.full((3, 4), x) for x in place])
    seen = dataclasses.replace(seen, reward=np.array([5.0, 4.0, 1.0, 0.0])[seen.episode])
    pairs = own_continuations(seen, ahead=2)
    found = {(int(seen.episode[a]), int(seen.episode[b])) for a, b in zip(pairs.better, pairs.worse, strict=True)}
    assert found == {(0, 2), (1, 3)} and len(pairs) == 4


def test_a_probe_by_hand() -> None:
    features = np.stack([np.linspace(1, 2, 8), np.linspace(-2, -1, 8)])[..., None]
    rows = np.arange(8)
    assert probe(features, rows[:4], rows[4:]) == 1.0
    assert probe(np.zeros((2, 8, 1)), rows[:4], rows[4:]) == 0.5
