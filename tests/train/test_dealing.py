"""Lanes dealt to devices are the lanes that run alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pilothouse
from pilothouse.train import dealing
from pilothouse.train.dealing import Deal
from pilothouse.train.resolve import world_source
from pilothouse.train.session import learn

several = pytest.mark.skipif(len(jax.local_devices()) < 2, reason="one core: nothing to deal to")


class Device:
    platform = "cpu"


@pytest.mark.parametrize(
    ("lanes", "devices", "used"), [(8, 2, 2), (5, 2, 2), (5, 16, 5), (9, 8, 5), (16, 8, 8), (2, 2, 2)]
)
def test_the_fewest_rounds_and_for_those_the_fewest_devices(
    monkeypatch: pytest.MonkeyPatch, lanes: int, devices: int, used: int
) -> None:
    monkeypatch.setattr(jax, "local_devices", lambda: [Device() for _ in range(devices)])
    deal = Deal.of(lanes, {}, {})
    assert deal is not None and len(deal.devices) == used
    assert deal.rounds == -(-lanes // devices) and deal.rounds * used >= lanes > (deal.rounds - 1) * used


def test_one_device_one_lane_and_large_states_are_not_dealt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealing, "LARGEST_LANE", 100)
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(), Device()])
    assert Deal.of(1, {}, {}) is None
    assert Deal.of(2, jnp.zeros((2, 25)), {}) is not None and Deal.of(2, jnp.zeros((2, 26)), {}) is None
    monkeypatch.setattr(dealing, "LARGEST_DATA", 100)
    assert Deal.of(2, {}, jnp.zeros(26)) is None
    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])
    assert Deal.of(8, {}, {}) is None


@several
@pytest.mark.parametrize("lanes", [2, 3])
def test_out_and_back_and_a_program_over_lanes(lanes: int) -> None:
    deal = Deal.of(lanes, {}, {})
    assert deal is not None
    tree = {"x": jnp.arange(3.0 * lanes).reshape(lanes, 3), "key": jax.random.split(jax.random.key(0), lanes)}
    again = deal.back(deal.out(tree))
    np.testing.assert_array_equal(again["x"], tree["x"])
    assert (again["key"] == tree["key"]).all()

    def one(mine: Any, shared: Any) -> Any:
        return mine["x"] * shared + jax.random.normal(mine["key"])

    found = deal.back(jax.jit(deal.program(one, (0, None)))(deal.out(tree), deal.everywhere(jnp.float32(2))))
    np.testing.assert_allclose(found, [one({k: v[i] for k, v in tree.items()}, 2.0) for i in range(lanes)], rtol=1e-6)


@several
def test_seeds_dealt_learn_what_they_learn_alone() -> None:
    ppo = pilothouse.recipe("ppo", width=8, length=16, minibatches=2, epochs=2)
    together = learn(ppo, world_source("cartpole", environments=2), steps=160, seeds=[3, 4, 5])
    assert together.machine.traces[("loop", 0)] == 1
    for lane, seed in enumerate((3, 4, 5)):
        alone = learn(ppo, world_source("cartpole", environments=2), steps=160, seeds=[seed])
        for found, expected in zip(
            jax.tree.leaves(together.policy_parts(lane)), jax.tree.leaves(alone.policy_parts(0)), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        found, expected = (s.looks[-1].metrics for s in (together, alone))
        for name in expected:
            np.testing.assert_allclose(found[name][lane], expected[name][0], rtol=1e-3, atol=1e-5)
