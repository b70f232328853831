"""A behaviour policy gives way to what was improved on it only where a learned model says that this is better."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.judged_policies import accept_better, take_best, value_along
from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic

KEY = jax.random.key(0)


class Always(eqx.Module):
    """The same action everywhere."""

    action: jax.Array

    def __call__(self, obs: Any) -> Deterministic:
        del obs
        return Deterministic(self.action)


def always(*actions: float) -> Always:
    return Always(jnp.array(actions)[:, None])


def moves(obs: Any, action: Any, key: Any) -> Any:
    """The observation moves by the action; from 3 on it is over."""
    del key
    following = obs + action
    return following, jnp.zeros(()), following[0] >= 3.0


def values(obs: Any, action: Any) -> Any:
    return jnp.array([10 * obs[0] + action[0], 1e6])  # the lower counts


def test_value_along_by_hand() -> None:
    # From 0 by ones: 1, 11, 21, then over at 3. From 2: 21, then over. The mean of the four.
    starts = jnp.array([[0.0], [2.0]])
    found = value_along(moves, values, Always(jnp.ones(1)), starts, 5, KEY)
    np.testing.assert_allclose(found, (1.0 + 11.0 + 21.0 + 21.0) / 4, rtol=1e-6)
    # One step is the critic alone: 1 and 21.
    np.testing.assert_allclose(value_along(moves, values, Always(jnp.ones(1)), starts, 1, KEY), 11.0, rtol=1e-6)


class Model(eqx.Module):
    """Two sure members, of which the first alone is an elite: the observation moves by the action, or stands still."""

    def __call__(self, obs: Any, action: Any) -> Any:
        mean = jnp.stack([jnp.concatenate([action, jnp.zeros(1)]), jnp.zeros(2)])
        return mean, jnp.full((2, 2), -20.0)


def parts(new: Always, old: Always) -> dict[str, Any]:
    return {
        "policies": new,
        "behaviour": old,
        "model": Model(),
        "elites": jnp.array([0], jnp.int32),
        "ending": lambda obs, action: -jnp.ones(1),
        "critic": values,
        "data": Batch(obs=jnp.linspace(-1.0, 1.0, 8)[:, None]),
    }


def test_each_member_passes_alone_and_only_when_it_is_better() -> None:
    new, old = always(0.5, -0.5, 0.2), always(0.1, 0.1, jnp.nan)

    def accepted(gate: Any) -> Any:
        return accept_better(gate, rollouts=4, steps=3).change(parts(new, old), None, {}, KEY)["behaviour"].action[:, 0]

    # By the same draws more action is better from every start; nothing is better than what is not a number.
    np.testing.assert_allclose(accepted("judged"), [0.5, 0.1, np.nan], rtol=1e-6)
    np.testing.assert_allclose(accepted("always"), [0.5, -0.5, 0.2], rtol=1e-6)
    np.testing.assert_allclose(accepted("never"), [0.1, 0.1, np.nan], rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_that_stays_as_it_was_never_passes(seed: int) -> None:
    # Judged by other draws than its own, half of the time it would.
    rule = accept_better("judged", rollouts=4, steps=3)
    same = always(0.3, 0.6)
    twin = Always(same.action - 1e-4)  # a hair worse
    found = rule.change(parts(twin, same), None, {}, jax.random.key(seed))["behaviour"]
    np.testing.assert_array_equal(found.action, same.action)


def test_the_best_of_both_kinds_is_taken() -> None:
    rule = take_best(rollouts=4, steps=3)
    for new, old in (((0.5, jnp.nan), (0.1, 0.3)), ((0.1, 0.2), (-0.1, 0.5))):
        found = rule.change(parts(always(*new), always(*old)), None, {}, KEY)["actor"]
        np.testing.assert_allclose(found.action, [0.5], rtol=1e-6)
