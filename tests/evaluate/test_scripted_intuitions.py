"""Agents in scripted sessions do as they are, and endings differ in what they are said to differ in."""

import numpy as np
import pytest

from pilothouse.evaluate.scripted_intuitions import (
    AROUND,
    FRAMES,
    KINDS,
    LEARNED,
    NODES,
    SHAPES,
    SPEC,
    STEPS,
    TASKS,
    TRIALS,
    drawn_plans,
    endings,
    filmed,
    learning_sessions,
    round_about,
)

OBJECT, KEY, CAGE, WALL = NODES.index("object"), NODES.index("key"), NODES.index("cage"), NODES.index("wall")


def trials(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), TRIALS, FRAMES, *values.shape[2:])


@pytest.mark.parametrize("kind", LEARNED)
def test_agents_end_at_what_they_want_and_step_as_frames_show(kind: str) -> None:
    plans = drawn_plans(kind, 60, np.random.default_rng(0))
    seen = filmed(plans)
    obs, action = trials(seen.obs), trials(seen.action)
    wanted = np.take_along_axis(plans.prefers, plans.who, axis=1)
    there = np.take_along_axis(plans.places, wanted[..., None, None], axis=2)[:, :, 0]
    shut = plans.cage & ~plans.key
    ends = obs[:, :, -1, 0, -2:]
    np.testing.assert_array_equal((ends == there).all(axis=2), ~shut)
    np.testing.assert_array_equal(ends, plans.goal)
    np.testing.assert_array_equal(obs[:, :, 0, 0, -2:], 0)
    np.testing.assert_array_equal(obs[:, :, 1, 0, -2:], action[:, :, 0])  # the second frame is one step on
    np.testing.assert_array_equal(action[:, :, -1], 0)  # and the last one is when all is over
    # Whoever goes straight is there after two steps, as all objects are two away, and nobody is longer than `STEPS`.
    assert np.abs(plans.goal - plans.first).max() <= STEPS - 1
    # Sessions are of the spec, and nodes are of their kind wherever they are.
    assert seen.obs.shape[1:] == SPEC.obs.shape and seen.action.shape[1:] == SPEC.action.shape  # pyright: ignore
    for node, name in enumerate(NODES):
        other = np.delete(obs[..., node, : len(KINDS)], KINDS.index(name), axis=-1)
        np.testing.assert_array_equal(other, 0)


def test_walls_are_gone_round_by_all_and_nothing_is_by_some() -> None:
    plans = drawn_plans("walls", 200, np.random.default_rng(1))
    straight = np.sign(plans.goal)
    around = (plans.first == round_about(straight)).all(axis=2)
    np.testing.assert_array_equal(around, plans.wall | ~plans.rational[:, :1])
    assert 0.3 < plans.rational[:, 0].mean() < 0.7 and 0.4 < plans.wall.mean() < 0.6
    seen = trials(filmed(plans).obs)
    np.testing.assert_array_equal(seen[:, :, 0, WALL, -2:], straight * plans.wall[..., None])
    np.testing.assert_array_equal(round_about(np.array([1, 0])), [0, 1])
    assert (round_about(AROUND) * AROUND).sum() == 0


def test_keys_are_fetched_where_a_cage_is_and_open_it() -> None:
    plans = drawn_plans("keys", 200, np.random.default_rng(2))
    fetched = (plans.first == plans.key_place).all(axis=2)
    np.testing.assert_array_equal(fetched, plans.cage)
    seen = trials(filmed(plans).obs)
    np.testing.assert_array_equal(seen[:, :, 0, CAGE].any(axis=-1), plans.cage)
    assert seen[:, :, 0, KEY].any(axis=-1).all()
    assert not seen[:, :, 1, CAGE].any()
    np.testing.assert_array_equal(seen[:, :, 1, KEY].any(axis=-1), ~plans.cage)


def test_two_agents_want_what_they_want_whoever_else_is_about() -> None:
    plans = drawn_plans("two agents", 400, np.random.default_rng(3))
    assert (plans.agents[:, 0] != plans.agents[:, 1]).all() and (plans.objects[:, 0] != plans.objects[:, 1]).all()
    # What one wants says nothing of what the other does: else a stranger would be expected to want the other thing.
    assert abs((plans.prefers[:, 0] == plans.prefers[:, 1]).mean() - 0.5) < 0.1
    seen = trials(filmed(plans).obs)[:, :, 0, 0, len(KINDS) : len(KINDS) + SHAPES].argmax(axis=-1)
    np.testing.assert_array_equal(seen, np.take_along_axis(plans.agents, plans.who, axis=1))


@pytest.mark.parametrize("task", TASKS)
def test_endings_differ_in_the_last_trial_in_what_is_unexpected(task: str) -> None:
    expected, unexpected = endings(task, 100, np.random.default_rng(4))
    seen = [trials(one.obs) for one in (expected, unexpected)]
    done = [trials(one.action) for one in (expected, unexpected)]
    familiar = (seen[0][:, :-1] == seen[1][:, :-1]).all()
    assert familiar == (task != "irrational")  # there the agents were different before, and the ending is one
    first = [one[:, -1, 0] for one in seen]
    if task in ("preference", "binding", "efficiency", "instrumental", "irrational"):
        np.testing.assert_array_equal(first[0], first[1])  # it begins alike
    if task in ("new agent", "irrational", "inaccessible"):
        np.testing.assert_array_equal(done[0][:, -1], done[1][:, -1])  # the same is done
    else:
        assert (done[0][:, -1] != done[1][:, -1]).any(axis=(1, 2)).all()
    if task == "inaccessible":
        assert first[0][:, CAGE].any(axis=1).all() and not first[1][:, CAGE].any()
    if task == "new agent":
        assert (first[0][:, 0] != first[1][:, 0]).any(axis=1).all()
        assert (first[0][:, 1:] == first[1][:, 1:]).all()


def test_in_binding_the_agents_of_a_session_disagree_and_both_are_familiar() -> None:
    seen = trials(endings("binding", 100, np.random.default_rng(5))[0].obs)
    agent = seen[:, :, 0, 0, len(KINDS) : -2].argmax(axis=-1)
    first_is = (seen[:, :, -1, OBJECT, -2:] == seen[:, :, -1, 0, -2:]).all(axis=-1)
    for who, reached in zip(agent, first_is, strict=True):
        assert {np.sum(who[:-1] == one) for one in np.unique(who)} == {4}
        mine = who == who[-1]
        assert len(set(reached[mine])) == 1 and set(reached[~mine]) == {not reached[-1]}


def test_sessions_to_learn_from_hold_nothing_unexpected() -> None:
    made = learning_sessions(12, np.random.default_rng(6))
    assert len(made.obs) == 12
    again = learning_sessions(12, np.random.default_rng(6))
    np.testing.assert_array_equal(made.obs, again.obs)
    plans = drawn_plans("preference", 3, np.random.default_rng(7))
    changed = plans.ending(goal=plans.goal[:, -1] * -1)
    assert (changed.goal[:, :-1] == plans.goal[:, :-1]).all() and (changed.goal[:, -1] == -plans.goal[:, -1]).all()
