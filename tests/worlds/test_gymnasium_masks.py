"""Masks in each of the forms that Gymnasium has for them."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from pilothouse.core.errors import SpaceError
from pilothouse.core.gymnasium_spaces import to_gymnasium
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.worlds.gymnasium_masks import flat_mask

SEVERAL = MultiDiscrete((2, 3))
NAMED = DictSpace.of({"turn": Discrete(2), "push": Box((2,)), "pair": SEVERAL})
ONE, TWO = np.array([1, 0], np.int8), np.array([0, 1, 1], np.int8)


@pytest.mark.parametrize(
    ("given", "action", "expected"),
    [
        (TWO, Discrete(3), [0, 1, 1]),
        ([True, False], Discrete(2), [1, 0]),
        (None, Discrete(2), [1, 1]),
        ((ONE, TWO), SEVERAL, [1, 0, 0, 1, 1]),
        ((ONE, None), SEVERAL, [1, 0, 1, 1, 1]),
        (np.array([1, 0, 0, 1, 1]), SEVERAL, [1, 0, 0, 1, 1]),
        ((1, 0, 0, 1, 1), SEVERAL, [1, 0, 0, 1, 1]),
        # By name: the pair's five, then the turn's two; the push is no choice.
        ({"turn": ONE, "push": None, "pair": (ONE, TWO)}, NAMED, [1, 0, 0, 1, 1, 1, 0]),
        ({"turn": ONE}, NAMED, [1, 1, 1, 1, 1, 1, 0]),
        (np.array([1, 0, 0, 1, 1, 1, 0]), NAMED, [1, 0, 0, 1, 1, 1, 0]),
    ],
)
def test_masks_by_hand(given: Any, action: Space, expected: list[int]) -> None:
    found = flat_mask(given, action)
    assert found.tolist() == expected and found.dtype == np.int8


def test_a_form_that_gymnasium_samples_with_allows_what_gymnasium_draws() -> None:
    theirs: Any = to_gymnasium(NAMED)
    assert isinstance(theirs, spaces.Dict)
    mask = {"turn": ONE, "push": None, "pair": (ONE, TWO)}
    flat = flat_mask(mask, NAMED)
    for _ in range(50):
        drawn = theirs.sample(mask=mask)
        places = [drawn["pair"][0], 2 + drawn["pair"][1], 5 + drawn["turn"]]
        assert flat[places].all()


@pytest.mark.parametrize(
    ("given", "action", "told"),
    [
        (TWO, Discrete(2), "has 3 entries, and Discrete actions have 2 choices"),
        ((TWO, ONE), SEVERAL, "has 3 entries"),
        ((ONE, TWO, ONE), SEVERAL, "something else than numbers"),
        ("all", Discrete(2), "something else than numbers"),
        ({"a": ONE}, Discrete(2), "something else than numbers"),
        (ONE, Box((2,)), "Box actions have no choices. Leave it out"),
    ],
)
def test_masks_of_another_size_are_refused(given: Any, action: Space, told: str) -> None:
    with pytest.raises(SpaceError, match=told):
        flat_mask(given, action)
