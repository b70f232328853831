"""Utility engineering reads utilities out of logged choices, and asks a policy for more where they help most."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.policies.policy import Memoryless
from pilothouse.recipes.explain.utility_engineering import choices_of, utility_engineering

SPEC = Spec(Box((2,)), Discrete(2))


class Wants(Memoryless):
    """Prefers the larger number, but for the pair's own noise-free order: never errs."""

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.int32(obs[1] > obs[0]), carry, {}


def log(pairs: list[tuple[float, float]], action: list[int]) -> Dataset:
    obs, ends = np.array(pairs, np.float32), np.ones(len(pairs), bool)
    rows = {"obs": obs, "action": np.array(action), "reward": np.zeros(len(pairs)), "next_obs": obs}
    return dataset_from_transitions(rows | {"terminated": ends, "truncated": ~ends}, SPEC, name="choices")


def test_outcomes_are_the_distinct_halves_and_action_0_chooses_the_first() -> None:
    found, outcomes = choices_of(log([(3.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 2.0)], [0, 1, 0, 0]))
    np.testing.assert_array_equal(outcomes[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(found.pairs, [[2, 0], [0, 1], [2, 1]])  # an outcome beside itself says nothing
    np.testing.assert_array_equal(found.share, [1, 0, 1])


def test_a_log_is_enough_and_a_policy_is_asked_for_more() -> None:
    draw = np.random.default_rng(0)
    pairs = [tuple(map(float, draw.choice(8, 2, replace=False))) for _ in range(12)]
    few = log(pairs + [(float(i), float(i + 1)) for i in range(7)], [int(b > a) for a, b in pairs] + [1] * 7)
    study = utility_engineering(pairs=20, answers=1).build(SPEC)
    said = study(few)
    assert said["outcomes"] == 8 and said["choices"] == 19 and said["held_out/accuracy"] > 0.6
    more = study(few, policy=Wants())
    assert more["choices"] > said["choices"] + 15
    utilities = [more[f"utility/{number}"] for number in range(8)]
    assert np.all(np.diff(utilities) > 0) and more["circles"] < said["circles"] < 0.25
    assert more["held_out/accuracy"] > 0.85


def test_other_spaces_are_refused() -> None:
    with pytest.raises(SpaceError, match="not 3 and 2"):
        utility_engineering().build(Spec(Box((3,)), Discrete(2)))
