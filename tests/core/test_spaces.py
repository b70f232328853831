"""Values against their spaces, masks against their actions, actions against their bounds."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import (
    MASK,
    Box,
    DictSpace,
    Discrete,
    MultiDiscrete,
    Space,
    Spec,
    Tokens,
    checked_value,
    choices_of,
    within,
)

NAMED = DictSpace.of({"turn": Discrete(3), "push": Box((2,), -1.0, 2.0), "pair": MultiDiscrete((2, 4))})


def test_choices_by_hand() -> None:
    assert [choices_of(s) for s in (Discrete(3), MultiDiscrete((2, 4)), Box((5,)), Tokens(7, 2, 2))] == [3, 6, 0, 7]
    assert choices_of(NAMED) == 6 + 3


@pytest.mark.parametrize(
    ("space", "value", "start", "told"),
    [
        (Box((2,)), [1.0, 2.0], 0, None),
        (Box((2,), 0, 1), [7.0, -7.0], 0, None),  # simulators overstep bounds
        (Box((2,)), np.zeros(1), 0, r"obs has shape \(1,\); expected \(2,\)"),
        (Box(()), 0.5, 0, None),
        (Box((2,)), [1.0, [2.0]], 0, "obs is one list; expected numbers"),
        (Box((1,), 0, 255, "uint8"), np.ones(1, bool), 0, None),
        (Box((1,), 0, 255, "uint8"), np.ones(1), 0, "obs is of float64; expected whole numbers"),
        (Discrete(3), 2, 0, None),
        (Discrete(3), 3, 0, "obs is 3; expected choices from 0 to 2"),
        (Discrete(3), 3, 1, None),
        (Discrete(3), np.array([1]), 0, r"obs has shape \(1,\); expected \(\)"),
        (Discrete(3), 1.0, 0, "expected whole numbers"),
        (MultiDiscrete((2, 4)), [5, 2], np.array([4, -1]), None),
        (MultiDiscrete((2, 4)), [3, 2], np.array([4, -1]), r"expected choices from \[4, -1\] to \[5, 2\]"),
        (NAMED, {"turn": 0, "push": [0, 0], "pair": [0, 3]}, 0, None),
        (NAMED, {"turn": 9, "push": [0, 0], "pair": [0, 3]}, {"turn": 7, "push": 0, "pair": 0}, None),
        (NAMED, {"turn": 0, "push": [0], "pair": [0, 3]}, 0, r"obs\['push'\] has shape"),
        (NAMED, {"turn": 0}, 0, r"obs is \['turn'\]; expected a dict of \['pair', 'push', 'turn'\]"),
        (NAMED, 3, 0, "obs is one int; expected a dict"),
    ],
)
def test_values_by_hand(space: Space, value: Any, start: Any, told: str | None) -> None:
    if told is None:
        found = checked_value("obs", space, value, start)
        for name in value if isinstance(value, dict) else ():
            np.testing.assert_array_equal(found[name], value[name])
        assert isinstance(found, dict | np.ndarray)
    else:
        with pytest.raises(SpaceError, match=told):
            checked_value("obs", space, value, start)


@pytest.mark.parametrize(
    ("mask", "action", "told"),
    [
        (Box((9,), 0, 1, "int8"), NAMED, None),
        (Box((3, 1)), Discrete(3), None),
        (Box((2,)), Discrete(3), "a Box of 2 numbers; Discrete actions take a Box of one number for each of their 3"),
        (Discrete(2), Discrete(2), "a Discrete space"),
        (Box((2,)), Box((2,)), "Box actions take none"),
    ],
)
def test_masks_have_one_number_for_each_choice(mask: Space, action: Space, told: str | None) -> None:
    spec = Spec(DictSpace.of({"far": Box((1,)), MASK: mask}), action)
    assert spec.masked
    if told is None:
        spec.check_mask()
    else:
        with pytest.raises(SpaceError, match=told):
            spec.check_mask()
    Spec(Box((1,)), action).check_mask()


def test_actions_are_brought_within_their_own_bounds() -> None:
    action = {"turn": jnp.int32(2), "push": jnp.array([-3.0, 5.0]), "pair": jnp.array([1, 3])}
    found = within(NAMED, action)
    np.testing.assert_array_equal(found["push"], [-1, 2])
    assert found["turn"] is action["turn"] and found["pair"] is action["pair"]
    half = Box((2,), (0.0, -np.inf), np.inf)
    np.testing.assert_array_equal(within(half, jnp.array([-9.0, -9.0])), [0, -9])
    open_ = jnp.array([9.0])
    assert within(Box((1,)), open_) is open_
