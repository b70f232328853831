"""The mechanism: types of users and who borders on whom, known where the dilemma can be worked out by hand."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.spaces import Discrete, Spec
from pilothouse.explain.behaviour_maps import (
    BehaviourMap,
    behaviour_map,
    perceived,
    sameness,
    user_type,
    where_it_leads,
    world_seen,
)
from pilothouse.explain.watched import Watched
from pilothouse.recipes.explain.user_types_behaviour_maps import (
    GRID,
    designed,
    moved,
    short_or_safe,
    success,
    transferred,
    user_types_behaviour_maps,
)
from pilothouse.worlds.tabular import Tabular

DISCOUNTS, NOISES = tuple(np.linspace(0.1, 0.95, 8)), (0.0, 0.3, 0.6)


def dilemma(order: Sequence[int] = range(6)) -> Tabular:
    """From place 1: half a reward at once on the left, or a whole one after four steps to the right; places renamed."""
    transition, reward, name = np.zeros((6, 2, 6)), np.zeros((6, 2)), list(order)
    for place in range(6):
        for action, step in enumerate((-1, 1)):
            transition[name[place], action, name[min(max(place + step, 0), 5)]] = 1
    reward[name[1], 0], reward[name[4], 1] = 0.5, 1.0
    ends = np.isin(np.arange(6), (name[0], name[5]))
    return Tabular.of(transition, reward, start=np.eye(6)[name[1]], terminal=ends)


@pytest.fixture(scope="module")
def found() -> BehaviourMap:
    return behaviour_map(dilemma(), DISCOUNTS, NOISES)


def test_patience_decides_where_it_does_by_hand(found) -> None:
    # With full confidence the far reward is worth discount³, the near one 1/2: the first type ends at 0.794.
    assert [int(x) for x in found.label[:, 0]] == [int(discount**3 > 0.5) for discount in DISCOUNTS]
    assert found.label[-2, -1] == 0 and found.label[-2, 0] == 1  # doubt takes patience away
    np.testing.assert_array_equal(found.behaviours, [[-1, 0, -1, -1, -1, -1], [-1, 1, 1, 1, 1, -1]])
    assert found.shares.sum() == pytest.approx(1) and found.borders()[0, 1] > 0 == found.borders()[0, 0]


def test_no_confidence_makes_all_actions_one() -> None:
    seen = perceived(dilemma(), 1.0)
    np.testing.assert_allclose(seen.transition[:, 0], seen.transition[:, 1])
    half = perceived(dilemma(), 0.5)
    np.testing.assert_allclose(half.transition[1, 0], [0.75, 0, 0.25, 0, 0, 0])
    assert float(half.reward[1, 0]) == pytest.approx(0.75 * 0.5)
    np.testing.assert_array_equal(where_it_leads(dilemma(), np.array([0, 1, 1, 0, 1, 0])), [-1, 1, 1, 0, -1, -1])


def test_a_world_with_other_names_is_the_same_and_one_with_another_dilemma_is_not(found) -> None:
    renamed = behaviour_map(dilemma([3, 0, 5, 1, 4, 2]), DISCOUNTS, NOISES)
    same = sameness(found, renamed)
    assert same.same and same.overlap == pytest.approx(1.0) and list(same.match) == [0, 1]
    other = behaviour_map(short_or_safe(np.random.default_rng(0)), DISCOUNTS, NOISES)
    assert len(other.behaviours) == 3 and not sameness(found, other).same
    flipped = BehaviourMap(found.discounts, found.noises, 1 - found.label, found.behaviours[::-1], found.actions)
    assert list(sameness(found, flipped).match) == [1, 0]


def acted(discount_cell: int, found: BehaviourMap) -> Watched:
    """Episodes of somebody with these traits and no doubt, with a random action now and then."""
    rng, rows, world = np.random.default_rng(0), [], dilemma()
    transition = np.asarray(world.transition)
    for episode in range(40):
        place = 1
        for step in range(30):
            action = int(found.actions[discount_cell, 0, place]) if rng.random() < 0.8 else int(rng.integers(2))
            there = int(transition[place, action].argmax())
            over = bool(world.terminal[there])
            rows.append((place, action, float(world.reward[place, action]), there, over, episode, step))
            place = there
            if over:
                break
    place, action, reward, there, over, episode, step = (np.array(x) for x in zip(*rows, strict=True))
    one_hot = np.eye(6, dtype=np.float32)
    return Watched(
        Spec(Discrete(6), Discrete(2)), tuple(f"x={i}" for i in range(6)), one_hot[place], action, reward,
        one_hot[there], over, (step == 29) & ~over, episode, step,
    )  # fmt: skip


def test_a_watched_policy_is_placed_on_the_map_that_its_episodes_show(found) -> None:
    seen = acted(7, found)
    shown = world_seen(seen)
    np.testing.assert_allclose(shown.transition[1, 0], [1, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(shown.terminal, dilemma().terminal)
    explain = user_types_behaviour_maps(grid=8).build(seen.spec)
    placed = explain(None, seen)
    assert placed.sanity_passed and placed.discount > 0.7 and placed.fidelity > 0.8
    by_hand = explain(None, seen, world=dilemma())
    assert by_hand.map.behaviours[by_hand.type, 1] == 1
    nobody = user_type(found, seen.obs.argmax(axis=1), np.random.default_rng(5).integers(0, 2, len(seen)), 2)
    assert not nobody.sanity_passed


def halves(row: int) -> BehaviourMap:
    label = np.repeat((np.arange(GRID) >= row).astype(int)[:, None], GRID, axis=1)
    traits = tuple(np.linspace(0, 0.9, GRID))
    return BehaviourMap(traits, traits, label, np.array([[0], [1]]), label[..., None])


def test_an_intervention_moves_users_by_their_traits() -> None:
    one, other = halves(6), halves(4)
    assert (moved(one, (3, 0)) == 1).sum() == 9 * GRID
    assert designed(one) == {0: (3, 0)}  # where patience divides, patience it is
    assert success(other, designed(one)) == pytest.approx(3 / 4) and transferred(one, other) == pytest.approx(3 / 4)
    assert success(other, {0: (0, -3)}) == 0.0


def test_slivers_are_merged() -> None:
    world = dilemma()
    assert len(behaviour_map(world, DISCOUNTS, NOISES, least=0.9).behaviours) == 1


def test_tables_stay_jax_arrays() -> None:
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(perceived(dilemma(), 0.2)))
    assert jnp.allclose(perceived(dilemma(), 0.0).transition, dilemma().transition)
