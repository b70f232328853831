"""Percent-BC, AWAC and CRR do what was good in the data; cloning does what was common."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))


def learned(name: str, updates: int, **settings: Any) -> float:
    """The likeliest action after learning from episodes of one step: -0.5 three times in four, and 0.5, which pays 1."""
    draw, rows = np.random.default_rng(0), 256
    good = np.arange(rows) % 4 == 0
    data = Batch(
        obs=jnp.zeros((rows, 2)), next_obs=jnp.zeros((rows, 2)),
        action=jnp.asarray(np.where(good, 0.5, -0.5) + 0.05 * draw.normal(size=rows), jnp.float32)[:, None],
        reward=jnp.asarray(good, jnp.float32), terminated=jnp.ones(rows, bool), truncated=jnp.zeros(rows, bool),
        duration=jnp.ones(rows, jnp.int32), episode_id=jnp.arange(rows),
    )  # fmt: skip
    bound = load_recipe(name)(width=8, depth=1, batch=64, lr=1e-2, **settings)
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([0], bound.floats), fixed={"data": data})
    machine.advance(updates)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    action, _, _ = bound.build(SPEC).acts(parts)(jnp.zeros(2), (), jax.random.key(0))
    return float(action[0])


@pytest.mark.parametrize(
    ("name", "updates", "settings"),
    [
        ("percent-bc", 4, {"share": 0.25}),  # of 100 updates each
        ("awac", 600, {"temperature": 0.1}),
        ("crr", 600, {"weights": "binary"}),
    ],
)
def test_what_was_good_is_done_though_it_was_rare(name: str, updates: int, settings: dict[str, Any]) -> None:
    assert learned(name, updates, **settings) > 0.35


def test_all_of_the_data_is_plain_cloning() -> None:
    # The mean of the data is -0.25.
    assert abs(learned("percent-bc", 4, share=1.0) + 0.25) < 0.15
