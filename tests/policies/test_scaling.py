"""A policy in the source's own units."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec, to_unit
from pilothouse.policies.policy import Policy
from pilothouse.policies.scaling import Scaled

KEY = jax.random.key(0)


class Fixed(eqx.Module):
    """Does `action`, and says in `extra` what it saw; its carry counts."""

    action: Any

    def reset(self, carry: Any, task: Any, key: Any) -> Any:
        return task

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return self.action, carry + 1, {"saw": obs}


def test_observations_are_standardised_and_actions_are_in_their_own_units_by_hand() -> None:
    spec = Spec(Box((2,)), Box((2,), (0.0, -4.0), (10.0, 2.0)))
    policy = Scaled(Fixed(jnp.array([0.5, -1.0])), spec, [1.0, 2.0], [2.0, 0.5])
    assert isinstance(policy, Policy)
    action, carry, extra = policy(jnp.array([5.0, 1.0]), 6, KEY)
    np.testing.assert_allclose(extra["saw"], [2.0, -2.0])  # (5 - 1) / 2, (1 - 2) / 0.5
    np.testing.assert_allclose(action, [7.5, -4.0])  # 5 + 0.5 * 5, the lower bound
    assert carry == 7
    assert policy.reset(None, "its task", KEY) == "its task"


def test_unscaled_observations_pass_untouched_whatever_they_are() -> None:
    spec = Spec(DictSpace.of({"a": Discrete(3), "b": Box((1,))}), Discrete(4))
    obs = {"a": jnp.int32(2), "b": jnp.array([9.0])}
    action, _, extra = Scaled(Fixed(jnp.int32(3)), spec)(obs, 0, KEY)
    assert extra["saw"] is obs and int(action) == 3 and action.dtype == jnp.int32


def test_named_actions_are_rescaled_each_by_its_own_bounds() -> None:
    spec = Spec(Box((1,)), DictSpace.of({"gear": Discrete(3), "free": Box((1,)), "wheel": Box((1,), 0.0, 4.0)}))
    inner = {"gear": jnp.int32(2), "free": jnp.array([7.0]), "wheel": jnp.array([0.5])}
    action, _, _ = Scaled(Fixed(inner), spec)(jnp.zeros(1), 0, KEY)
    assert int(action["gear"]) == 2 and action["gear"].dtype == jnp.int32
    np.testing.assert_allclose(action["free"], [7.0])
    np.testing.assert_allclose(action["wheel"], [3.0])  # 2 + 0.5 * 2


def test_actions_keep_to_such_bounds_as_they_have() -> None:
    """Those of a Dict, and of a box that is bounded below only, which recipes see in its own units."""
    half = Box((2,), (0.0, -jnp.inf), jnp.inf)
    spec = Spec(Box((1,)), DictSpace.of({"half": half, "wheel": Box((1,), 0.0, 4.0)}))
    inner = {"half": jnp.array([-5.0, -5.0]), "wheel": jnp.array([3.0])}
    action, _, _ = Scaled(Fixed(inner), spec)(jnp.zeros(1), 0, KEY)
    np.testing.assert_allclose(action["half"], [0.0, -5.0])
    np.testing.assert_allclose(action["wheel"], [4.0])


@settings(deadline=None, max_examples=30)
@given(st.floats(-50, 50, width=32), st.floats(0.125, 50, width=32), st.lists(st.floats(-2, 2, width=32), min_size=1))
def test_bounded_actions_stay_within_their_bounds(low: float, span: float, inner: list[float]) -> None:
    high = float(np.float32(low + span))
    spec = Spec(Box((1,)), Box((len(inner),), low, high))
    unit = np.asarray(inner, np.float32)
    action, _, _ = Scaled(Fixed(unit), spec)(jnp.zeros(1), 0, KEY)
    slack = 1e-5 * (abs(low) + abs(high))
    assert (action >= low - slack).all() and (action <= high + slack).all()
    back = to_unit(spec.action, action)
    np.testing.assert_allclose(back, np.clip(unit, -1, 1), atol=1e-5 + slack / span * 4)
