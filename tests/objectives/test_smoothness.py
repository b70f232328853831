"""Smoothness around observations and doubt near them, by hand and by their laws."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Gaussian
from pilothouse.objectives.smoothness import (
    doubt_nearby,
    fading,
    furthest,
    jeffreys,
    leaning_gap,
    lowered_by_doubt,
    nearby,
    policy_smoothness,
    value_smoothness,
)

KEY = jax.random.key(0)
ROWS = Batch(obs=jnp.array([[1.0], [-2.0], [0.5]]), action=jnp.zeros((3, 1)))


def test_nearby_fills_the_box_and_no_more() -> None:
    moved = nearby(jnp.array([[1.0, -2.0], [0.0, 5.0]]), 0.5, 400, KEY)
    shift = np.asarray(moved - jnp.array([[1.0, -2.0], [0.0, 5.0]]))
    assert shift.shape == (400, 2, 2) and np.abs(shift).max() <= 0.5
    assert (shift.max(axis=0) > 0.45).all() and (shift.min(axis=0) < -0.45).all()
    assert abs(np.corrcoef(shift[:, 0, 0], shift[:, 1, 0])[0, 1]) < 0.2  # rows move by themselves


def test_furthest_is_chosen_for_each_row() -> None:
    moved = jnp.arange(12.0).reshape(3, 2, 2)
    found = furthest(moved, jnp.array([[0.0, 9.0], [5.0, 1.0], [2.0, 3.0]]))
    np.testing.assert_array_equal(found, [[4.0, 5.0], [2.0, 3.0]])  # the second for row 0, the first for row 1


def test_jeffreys_by_hand_and_symmetric() -> None:
    a, b = Gaussian(jnp.zeros(1), jnp.zeros(1)), Gaussian(jnp.ones(1), jnp.full(1, jnp.log(2.0)))
    # KL(a, b) = ln 2 + (1 + 1)/8 - 1/2; KL(b, a) = -ln 2 + (4 + 1)/2 - 1/2. Their sum: 1/4 + 5/2 - 1.
    np.testing.assert_allclose(jeffreys(a, b), 1.75, rtol=1e-6)
    np.testing.assert_allclose(jeffreys(b, a), 1.75, rtol=1e-6)


def test_a_rise_is_held_down_harder_than_a_fall() -> None:
    np.testing.assert_allclose(leaning_gap(jnp.array([3.0, -1.0, 1.0]), jnp.ones(3), 0.2), [3.2, 0.8, 0.0], rtol=1e-6)


def test_of_a_linear_policy_and_value_the_worst_is_at_the_edge() -> None:
    # Means 3 s with deviation 1: Jeffreys' divergence is (3 d)^2 for a move d, at most (3 * 0.1)^2 = 0.09.
    def policy(slope: Any) -> Any:
        return lambda obs: Gaussian(slope * obs, jnp.zeros(1))

    def loss(slope: Any) -> Any:
        return policy_smoothness(0.1, 200)({"actor": policy(slope)}, ROWS, KEY)[0]

    value, gradient = jax.value_and_grad(loss)(3.0)
    assert 0.9 * 0.09 < value <= 0.09
    np.testing.assert_allclose(gradient, 2 * value / 3.0, rtol=1e-5)  # quadratic in the slope: flatter is better
    assert policy_smoothness(0.0, 4)({"actor": policy(3.0)}, ROWS, KEY)[0] == 0.0

    # Values 3 s: the rise counts 0.8 (3 d)^2, the fall 0.2 (3 d)^2, so the worst is a rise: at most 0.072.
    parts = {"critic": lambda obs, action: 3.0 * obs[0] * jnp.ones(2)}
    found = float(value_smoothness(0.1, 200, lean=0.2)(parts, ROWS, KEY)[0])
    assert 0.9 * 0.072 < found <= 0.072
    falls = float(value_smoothness(0.1, 200, lean=0.8)(parts, ROWS, KEY)[0])  # now a fall is the worst, and as bad
    assert 0.9 * 0.072 < falls <= 0.072


def test_values_fall_in_proportion_to_how_much_members_disagree() -> None:
    np.testing.assert_allclose(
        lowered_by_doubt(jnp.array([1.0, 3.0]), 2.0), np.array([1.0, 3.0]) - 2 * np.sqrt(2), rtol=1e-6
    )  # the sample deviation of 1 and 3 is sqrt 2

    def loss(q: Any) -> Any:
        parts = {"actor": lambda obs: Gaussian(obs, jnp.zeros(1)), "critic": lambda obs, action: q}
        return doubt_nearby(0.1, 4, 2.0)(parts, ROWS, KEY)[0]

    value, gradient = jax.value_and_grad(loss)(jnp.array([1.0, 3.0]))
    np.testing.assert_allclose(value, 8.0, rtol=1e-6)  # (2 sqrt 2)^2
    np.testing.assert_allclose(gradient, 2 * np.sqrt(2), rtol=1e-6)  # each: 2 * 2 sqrt 2 / 2 members, downhill is down
    np.testing.assert_array_equal(jax.grad(loss)(jnp.ones(2)), 0.0)  # agreed: nothing, and no NaN


def test_doubt_looks_at_the_policy_s_actions_nearby_and_moves_the_critic_only() -> None:
    def loss(actor: Any) -> Any:
        # Members part by the action: 0 and 2 a, a sample deviation of sqrt 2 |a|.
        parts = {
            "actor": lambda obs: Gaussian(jnp.full(1, actor), jnp.full(1, -20.0)),
            "critic": lambda obs, action: jnp.stack([0.0 * action[0], 2.0 * action[0]]),
        }
        return doubt_nearby(0.1, 4, 1.0)(parts, ROWS, KEY)[0]

    np.testing.assert_allclose(loss(0.5), 0.5, rtol=1e-4)  # 2 * 0.25
    assert jax.grad(loss)(0.5) == 0.0


def test_caution_fades_to_its_least() -> None:
    caution = fading(1.0, 0.1, 0.25)
    found = [float(caution({"clock": {"updates": jnp.int32(n)}})) for n in (0, 2, 3, 4, 100)]
    np.testing.assert_allclose(found, [1.0, 0.5, 0.25, 0.1, 0.1], rtol=1e-6)
