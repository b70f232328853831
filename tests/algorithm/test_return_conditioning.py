"""The return to ask for is a return of the data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.return_conditioning import note_range, note_returns
from pilothouse.algorithm.steps import Rule
from pilothouse.core.batch import Batch


@pytest.mark.parametrize(("quantile", "target"), [(1.0, 7.0), (0.75, 4.0), (0.5, 3.0), (0.2, -1.0), (0.0, -1.0)])
def test_the_target_is_a_quantile_of_the_episodes_returns(quantile: float, target: float) -> None:
    # Episodes return 3 (1 + 2), 4, -1 (0 - 1) and 7 (3 + 4).
    rows = Batch(
        reward=jnp.array([1.0, 2.0, 4.0, 0.0, -1.0, 3.0, 4.0]), episode_id=jnp.array([0, 0, 1, 2, 2, 3, 3], jnp.int32)
    )
    (rule,) = note_returns(quantile).cycle
    assert isinstance(rule, Rule)
    found = rule.change({"data": rows}, None, {}, jax.random.key(0))["returns"]
    assert float(found.target) == target
    to_go = [3.0, 2.0, 4.0, -1.0, -1.0, 7.0, 4.0]
    np.testing.assert_allclose([found.mean, found.std], [np.mean(to_go), np.std(to_go)], rtol=1e-6)


def test_the_range_is_that_of_discounted_returns_to_go() -> None:
    # Episodes (1, 2, 4) and (-3, 5), halved a step: 3, 4, 4 and -0.5, 5.
    rows = Batch(reward=jnp.array([1.0, 2.0, 4.0, -3.0, 5.0]), episode_id=jnp.array([0, 0, 0, 1, 1], jnp.int32))
    (rule,) = note_range(0.5).cycle
    assert isinstance(rule, Rule)
    found = rule.change({"data": rows}, None, {}, jax.random.key(0))["range"]
    assert (float(found.low), float(found.high)) == (-0.5, 5.0)
