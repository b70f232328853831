"""How far from the data: a copy is near, an outsider is not, and distances by hand."""

import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete
from pilothouse.evaluate.departure import Neighbourhoods, distance, flat


def rows(count: int, seed: int) -> Batch:
    """The action is a smooth function of the state, plus a little noise."""
    draw = np.random.default_rng(seed)
    obs = draw.uniform(-1, 1, (count, 2))
    action = np.clip(0.5 * obs[:, :1] + 0.05 * draw.normal(size=(count, 1)), -1, 1)
    return Batch(obs=obs.astype(np.float32), action=action.astype(np.float32), reward=np.zeros(count))


def test_a_copy_is_inside_and_an_outsider_is_outside() -> None:
    near, held = Neighbourhoods(Box((2,)), Box((1,), -1, 1), rows(4_000, 0)), rows(500, 1)
    copy, other = rows(500, 1).action, held.action
    middle = 0.5 * held.obs[:, :1]
    far = np.sign(-held.obs[:, :1])
    found = near.departure(held.obs, other, np.stack([copy, middle, far]))
    assert found.outside[0] == pytest.approx(0.05, abs=0.005) and found.ratio[0] == pytest.approx(1.0)
    assert found.outside[1] < 0.05 and found.ratio[1] <= 1.1
    assert found.outside[2] > 0.9 and found.ratio[2] > 5
    assert found.doubt(0) == found.doubt(1) == "" and "leaves the data" in found.doubt(2)


def test_choices_that_nobody_took_nearby_are_outside() -> None:
    draw = np.random.default_rng(0)
    obs = draw.uniform(-1, 1, (2_000, 1)).astype(np.float32)
    data = Batch(obs=obs, action=(obs[:, 0] > 0).astype(np.int32), reward=np.zeros(2_000))
    near = Neighbourhoods(Box((1,)), Discrete(3), data)
    own = (obs[:300, 0] > 0).astype(np.int32)
    found = near.departure(obs[:300], own, np.stack([own, 1 - own, np.full(300, 2)]))
    assert found.outside[0] < 0.05 and found.outside[1] > 0.9 and found.outside[2] == 1.0


def test_distance_by_hand() -> None:
    near = np.array([[[0.0, 0.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    np.testing.assert_allclose(distance(np.array([[3.0, 3.0], [1.0, 2.0]]), near), [1.0, 1.0])


def test_values_of_any_space_are_laid_flat() -> None:
    space = DictSpace(
        (("action_mask", Box((2,))), ("box", Box((1, 2))), ("pick", Discrete(3)), ("two", MultiDiscrete((2, 2))))
    )
    values = {
        "action_mask": np.ones((1, 2)),
        "box": np.array([[[5.0, 6.0]]]),
        "pick": np.array([2]),
        "two": np.array([[1, 0]]),
    }
    np.testing.assert_allclose(flat(space, values), [[5, 6, 0, 0, 1, 0, 1, 1, 0]])


def test_large_observations_keep_their_neighbours_under_projection() -> None:
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(4, 300))
    kind = draw.integers(4, size=1_000)
    obs = (centres[kind] + 0.1 * draw.normal(size=(1_000, 300))).astype(np.float32)
    data = Batch(obs=obs[:800], action=kind[:800].astype(np.int32), reward=np.zeros(800))
    near = Neighbourhoods(Box((300,)), Discrete(4), data)
    own = kind[800:].astype(np.int32)
    found = near.departure(obs[800:], own, np.stack([own, (own + 1) % 4]))
    assert found.outside[0] == 0.0 and found.outside[1] == 1.0
