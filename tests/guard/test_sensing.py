"""Disturbances around an actor: what they change, by how much, and what they leave alone."""

import numpy as np
import pytest

from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, Spec
from pilothouse.guard import acting, sensing
from pilothouse.guard.sensing import Disturbed

SPEC = Spec(Box((3,)), Box((1,), -1.0, 3.0))
HERE = Disturbed(SPEC, {"": np.array([1.0, 10.0, 0.0])}, seed=7)
OBS = np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)


def shown_by(around, level, here=HERE, steps=1, obs=OBS):
    """What an actor was shown at each step."""
    seen, carry = [], None

    def plain(obs, carry, step):
        assert carry == (None if step == 0 else step - 1)  # each actor gets its own carry back
        seen.append(obs)
        return np.zeros((2, 1)), step

    actor = around(plain, level, here)
    for step in range(steps):
        _, carry = actor(obs + 100 * step, carry, step)
    return seen


def test_noise_is_in_units_of_each_reading_s_own_spread():
    wide = Disturbed(SPEC, {"": np.array([1.0, 10.0, 0.0])}, seed=0)
    many = np.zeros((20_000, 3), np.float32)
    moved = shown_by(sensing.noisy_observations, 0.5, wide, obs=many)[0]
    np.testing.assert_allclose(moved.std(axis=0), [0.5, 5.0, 0.0], rtol=0.03)
    assert moved.dtype == np.float32


def test_a_higher_level_is_more_of_the_same_draw():
    small, large = (shown_by(sensing.noisy_observations, level)[0] - OBS for level in (0.1, 0.3))
    np.testing.assert_allclose(large, 3 * small, rtol=1e-4, atol=1e-5)
    few, many = (shown_by(sensing.dropped_readings, level, steps=20) for level in (0.2, 0.6))
    assert all(((a != 0) | (b == 0)).all() for a, b in zip(few, many, strict=True))  # what is lost stays lost


def test_dropped_readings_read_zero_as_often_as_said():
    shown = np.stack(shown_by(sensing.dropped_readings, 0.3, steps=2000))
    assert (shown == 0).mean() == pytest.approx(0.3, abs=0.02)


def test_frozen_readings_show_what_they_showed_last():
    stuck = shown_by(sensing.frozen_readings, 1.0, steps=3)
    for each in stuck:
        np.testing.assert_array_equal(each, OBS)
    some = shown_by(sensing.frozen_readings, 0.5, steps=40)
    for step in range(1, 40):
        fresh = some[step] == OBS + 100 * step
        assert (fresh | (some[step] == some[step - 1])).all()
    assert 0.3 < np.mean([some[step] == OBS + 100 * step for step in range(1, 40)]) < 0.7


def test_choices_and_masks_are_left_alone_and_pixels_stay_pixels():
    space = DictSpace.of(
        {
            "level": Discrete(4),
            MASK: Box((2,), 0, 1, "int8"),
            "picture": Box((4, 4, 1), 0, 255, "uint8"),
            "x": Box((1,)),
        }
    )
    obs = {
        "level": np.array([1, 2]),
        MASK: np.ones((2, 2), np.int8),
        "picture": np.full((2, 4, 4, 1), 250, np.uint8),
        "x": np.zeros((2, 1), np.float32),
    }
    here = Disturbed(Spec(space, Discrete(2)), {"picture": np.full((4, 4, 1), 30.0), "x": np.ones(1)}, 0)
    seen = []
    sensing.noisy_observations(lambda o, c, s: (seen.append(o), c), 1.0, here)(obs, None, 0)
    np.testing.assert_array_equal(seen[0]["level"], obs["level"])
    np.testing.assert_array_equal(seen[0][MASK], obs[MASK])
    assert seen[0]["picture"].dtype == np.uint8 and seen[0]["picture"].max() == 255 and (seen[0]["x"] != 0).all()


def test_spread_is_the_deviation_of_what_was_seen():
    seen = [OBS, OBS + 2]
    np.testing.assert_allclose(
        sensing.spread_of(SPEC.obs, seen)[""], np.concatenate(seen).astype(np.float64).std(axis=0)
    )


def decided_by(around, level, steps=6, space=SPEC):
    """What is done at each step where the step's number is decided."""
    actor = around(lambda o, c, s: (np.full((2, 1), s + 1.0, np.float32), s), level, Disturbed(space, {}, 3))
    done, carry = [], None
    for step in range(steps):
        action, carry = actor(OBS, carry, step)
        done.append(float(action[0, 0]))
    return done


@pytest.mark.parametrize("late", [0, 1, 3])
def test_delay_shifts_actions_by_exactly_so_many_steps(late):
    assert decided_by(acting.delayed_actions, late) == [0.0] * late + [float(s + 1) for s in range(6 - late)]


def test_resting_is_the_bound_nearest_zero_or_the_first_choice():
    assert acting.resting(Box((1,), 2.0, 3.0), np.ones((4, 1))).tolist() == [[2.0]] * 4
    assert acting.resting(Discrete(3), np.array([2, 1])).tolist() == [0, 0]


def test_action_noise_is_a_share_of_the_range_and_stays_in_bounds():
    actor = acting.noisy_actions(lambda o, c, s: (np.ones((20_000, 1), np.float32), c), 0.1, HERE)
    action, _ = actor(OBS, None, 0)
    assert action.std() == pytest.approx(0.4, rel=0.03) and action.dtype == np.float32
    wild, _ = acting.noisy_actions(lambda o, c, s: (np.ones((999, 1)), c), 5.0, HERE)(OBS, None, 0)
    assert wild.min() == -1.0 and wild.max() == 3.0


def test_choices_are_drawn_anew_with_the_level_s_chance():
    here = Disturbed(Spec(Box((3,)), Discrete(4)), {}, 0)
    action, _ = acting.noisy_actions(lambda o, c, s: (np.full(20_000, 2), c), 0.4, here)(OBS, None, 0)
    assert (action != 2).mean() == pytest.approx(0.4 * 3 / 4, abs=0.02)
    assert set(action) == {0, 1, 2, 3}
