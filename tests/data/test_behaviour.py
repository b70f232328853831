"""What was done in like situations: values by hand, and what each kind of behaviour has to be called."""

import numpy as np
import pytest

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data import dataset_from_transitions
from pilothouse.data.behaviour import behaviour, two_group_share


def made(action, spec=None, obs=None, seed=0):
    """4,000 loose transitions with these actions, in the situations `obs` (drawn at random where not given)."""
    generator = np.random.default_rng(seed)
    rows = len(action)
    obs = generator.uniform(-1, 1, (rows, 2)) if obs is None else obs
    spec = spec or Spec(Box((2,)), Box((action.shape[1],), -9.0, 9.0))
    ends = np.arange(rows) % 100 == 99
    given = {"obs": obs, "next_obs": obs, "action": action, "reward": np.zeros(rows)}
    return dataset_from_transitions({**given, "terminated": ends, "truncated": ~ends & False}, spec, name="made")


def test_two_groups_by_hand():
    # 0 1 2 3: the squares about 1.5 sum to 5, those of the groups' means .5 and 2.5 to 4: 4 / 5.
    assert two_group_share(np.array([3.0, 0.0, 2.0, 1.0])) == pytest.approx(0.8)
    assert two_group_share(np.array([5.0, -1.0, 5.0, -1.0])) == pytest.approx(1.0)
    assert two_group_share(np.array([2.0, 2.0, 2.0])) == 0.0
    # One far number of forty is no group: the cut leaves at least four on each side.
    far = np.append(np.random.default_rng(0).normal(size=39), 100.0)
    assert two_group_share(far) < 0.3


@pytest.mark.parametrize(("draw", "share"), [("normal", 2 / np.pi), ("uniform", 0.75)])
def test_one_cloud_has_the_share_that_theory_says(draw, share):
    values = getattr(np.random.default_rng(0), draw)(size=(4, 20_000))
    np.testing.assert_allclose(two_group_share(values), share, atol=0.01)


@pytest.mark.parametrize("entries", [1, 6])
def test_one_normal_cloud_is_low_and_two_separated_actions_are_high(entries):
    generator = np.random.default_rng(1)
    one = generator.normal(size=(4_000, entries))
    two = 0.2 * one + 2.0 * generator.choice([-1.0, 1.0], size=(4_000, 1))
    low, high = behaviour(made(one)), behaviour(made(two))
    assert low.multimodality < 0.05 and low.randomness > 0.9
    assert high.multimodality > 0.95
    # Touching groups are one: two clouds, a standard deviation and a half apart.
    one[:, 0] += 0.75 * generator.choice([-1.0, 1.0], size=4_000)
    assert behaviour(made(one)).multimodality < 0.05


def test_entries_that_are_split_each_by_itself_are_found_and_even_spreads_are_not_split():
    generator = np.random.default_rng(6)
    corners = generator.choice([-1.0, 1.0], size=(4_000, 3)) + 0.1 * generator.normal(size=(4_000, 3))
    assert behaviour(made(corners)).multimodality > 0.95
    assert behaviour(made(generator.uniform(-1, 1, (4_000, 8)))).multimodality < 0.1


def test_an_action_that_the_situation_settles_is_not_random_and_has_one_mode():
    obs = np.random.default_rng(2).uniform(-1, 1, (4_000, 2))
    settled = behaviour(made(3.0 * obs + 1.0, obs=obs))
    assert settled.randomness < 0.05 and settled.multimodality < 0.05 and settled.near
    # Two ways to act, chosen by where one is, are one way in each place (but at the border between them).
    by_place = behaviour(made(np.sign(obs[:, :1]), obs=obs))
    assert by_place.multimodality < 0.15 and by_place.randomness < 0.15


def test_choices():
    generator = np.random.default_rng(3)
    obs, spec = generator.uniform(-1, 1, (4_000, 2)), Spec(Box((2,)), Discrete(4))
    always = behaviour(made((obs[:, 0] > 0).astype(int), spec, obs))
    either = behaviour(made(generator.integers(0, 2, 4_000), spec, obs))
    any_of_four = behaviour(made(generator.integers(0, 4, 4_000), spec, obs))
    assert always.multimodality < 0.15 and always.randomness < 0.15
    assert either.multimodality > 0.95 and either.randomness > 0.9
    assert any_of_four.multimodality < 0.05 and any_of_four.randomness > 0.9


def test_units_do_not_matter_and_neither_does_an_entry_without_meaning_to_the_action():
    generator = np.random.default_rng(4)
    obs = generator.uniform(-1, 1, (4_000, 2))
    action = obs + 0.3 * generator.normal(size=(4_000, 2))
    one, other = behaviour(made(action, obs=obs)), behaviour(made(100 * action, obs=1e-3 * obs + 7))
    assert other.randomness == pytest.approx(one.randomness, rel=1e-3)
    assert other.distance == pytest.approx(one.distance, rel=1e-3)


def test_in_many_dimensions_neighbours_are_said_to_be_far():
    generator = np.random.default_rng(5)
    spec = Spec(Box((200,)), Box((1,), -9.0, 9.0))
    found = behaviour(made(generator.normal(size=(400, 1)), spec, generator.normal(size=(400, 200))))
    assert not found.near
    assert behaviour(made(np.zeros((40, 1)))) is None
