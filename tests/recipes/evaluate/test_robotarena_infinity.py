"""The mechanism: preferences do not see the judges' scales, which ratings are lost to; perturbations change the ranking."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.host import HostPolicy
from pilothouse.recipes.evaluate.robotarena_infinity import looks, robotarena_infinity
from pilothouse.statistics.comparisons import rank_correlation
from pilothouse.worlds.registry import world

RETURNS = np.random.default_rng(0).normal(size=(6, 40)) + np.arange(6)[:, None]
SPEC = world("pendulum").spec


class Constant(HostPolicy):
    """Always the same torque."""

    def __init__(self, torque: float, spec: Spec = SPEC):
        self.spec, self.name, self.torque = spec, f"torque {torque}", torque
        assert isinstance(spec.action, Box)

    def act_many(self, obs, carry, seed):
        return np.full((len(obs), 1), self.torque, np.float32), carry, {}


def test_preferences_do_not_depend_on_the_judges_scales_and_ratings_do():
    truth, found = np.arange(6), {}
    for offsets in (0.0, 50.0):
        looked = [looks(RETURNS, offsets, np.random.default_rng(seed)) for seed in range(5)]
        found[offsets] = [np.mean([rank_correlation(one, truth) for one in each]) for each in zip(*looked, strict=True)]
    ratings, preferences = zip(*found.values(), strict=True)
    assert preferences[0] == preferences[1] > ratings[1] + 0.2
    assert ratings[0] > ratings[1] + 0.2


def test_policies_are_ranked_by_preference_at_every_level():
    """The judge here likes strong torques: what each policy earns, it is not asked for."""
    examine = robotarena_infinity(episodes=3, horizon=10).build(SPEC)
    wins = np.array([[0.0, 3, 3], [0, 0, 3], [0, 0, 0]])
    said = examine(
        {"a": Constant(2.0), "b": Constant(1.0), "c": Constant(0.0)}, judge=lambda returns: wins[: len(returns)]
    )
    assert said["strength/a"] > said["strength/b"] > said["strength/c"]
    kept = [value for name, value in said.items() if name.startswith("kept/observation noise")]
    assert len(kept) == 3 and set(kept) == {1.0}


def test_one_policy_alone_is_refused():
    with pytest.raises(DataError, match="two or more"):
        robotarena_infinity().build(SPEC)({"a": Constant(0.0)})
