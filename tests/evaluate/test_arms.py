"""Arms are what their recipes learn alone, each seed by itself."""

import jax
import numpy as np

from pilothouse.evaluate.arms import final_returns, learned_apart, returns_around
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.guard.smoothing import Smoothed
from pilothouse.recipes.offline.bc import bc
from pilothouse.recipes.offline.td3bc import td3bc
from pilothouse.train.machine import Machine
from pilothouse.train.resolve import world_source
from pilothouse.train.session import learn
from pilothouse.train.sources import DataSource


def test_arms_are_learned_alike_and_kept_apart() -> None:
    source = DataSource(mixed_pendulum(random=200, poor=200, good=0), world_source("pendulum"))
    arms = {
        "slow": (bc, {"width": 4, "lr": 1e-5}),
        "fast": (bc, {"width": 4, "lr": 1e-1}),
        "other": (td3bc, {"width": 4}),
    }
    found = final_returns(arms, source, steps=20, seeds=[1000, 1001])
    assert list(found.values) == list(arms) and all(found.values[arm].shape == (2,) for arm in arms)
    assert not any(found.diverged[arm].any() for arm in arms)
    alone = learn(bc(width=4, lr=1e-1), source, steps=20, seeds=[1001])
    np.testing.assert_allclose(found.values["fast"][1], alone.final_returns().mean(), rtol=1e-3)
    assert found.values["fast"][1] != found.values["slow"][1]
    around = returns_around(alone, Smoothed, [0.0, 50.0])
    assert around.shape == (1, 2) and around[0, 0] != around[0, 1]
    np.testing.assert_allclose(around[0, 0], alone.final_returns().mean(), rtol=1e-3)  # no noise: the same episodes


def test_lanes_learn_from_data_of_their_own() -> None:
    data = [mixed_pendulum(random=0, poor=100, good=0), mixed_pendulum(random=100, poor=0, good=0)]
    both = learned_apart(bc(width=4), [data[0], data[1], data[1]], updates=3, seeds=[0, 0, 0])
    alone = learned_apart(bc(width=4), data[1:], updates=3, seeds=[0])

    def weights(machine: Machine) -> np.ndarray:
        return np.asarray(jax.tree.leaves(machine.state.parts["actor"])[0])

    assert both.done == 3
    np.testing.assert_allclose(weights(both)[1:], np.repeat(weights(alone), 2, axis=0), rtol=1e-4)
    assert not np.allclose(weights(both)[0], weights(both)[1])
