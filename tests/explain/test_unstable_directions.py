"""Unstable directions: gradients worked by hand, and directions that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.explain.unstable_directions import (
    decision_gradient,
    decision_loss,
    flips,
    oscillation,
    overlap,
    unstable_directions,
)

# Compiled whole: op by op, every primitive would be a program of its own.
directions_of = jax.jit(unstable_directions)
turning_of = jax.jit(oscillation, static_argnums=1)
flips_of = jax.jit(lambda obs, lines, radius: flips(two_choices, obs, lines, radius))
gradients_of = jax.jit(jax.vmap(lambda o: decision_gradient(two_choices, o)))

WEIGHT = jnp.array([3.0, 0.0, -4.0])


def two_choices(obs):
    """Probabilities by the side of a plane with normal (3, 0, -4) / 5."""
    return jax.nn.softmax(jnp.stack([0.0 * obs[0], WEIGHT @ obs]))


def test_the_gradient_is_as_worked_by_hand() -> None:
    # Two choices with logits 0 and z = w . x: the loss of the likelier is ln(1 + e^-|z|); its slope -w sign(z) / (1 + e^|z|).
    obs = jnp.array([0.1, 5.0, 0.2])  # z = 0.3 - 0.8 = -0.5: choice 0, ln(1 + e^-0.5) = 0.474077
    assert float(decision_loss(two_choices, obs, jnp.array(0))) == pytest.approx(0.474077, abs=1e-5)
    expected = np.asarray(WEIGHT) / (1 + np.exp(0.5))
    np.testing.assert_allclose(gradients_of(jnp.stack([obs, -obs])), [expected, -expected], rtol=1e-5)


def test_uphill_is_away_from_the_choice() -> None:
    obs = jnp.asarray(np.random.default_rng(0).normal(size=(50, 3)) / 3, jnp.float32)
    uphill = gradients_of(obs)
    each = jax.jit(jax.vmap(two_choices))
    before, moved = np.asarray(each(obs)), np.asarray(each(obs + 0.05 * uphill))
    chosen = before.argmax(axis=1)
    assert (moved[np.arange(50), chosen] < before[np.arange(50), chosen]).all()


def test_directions_of_a_second_moment_are_as_worked_by_hand() -> None:
    # (2, 0), (-2, 0), (0, 1): moment diag(8, 1) / 3. A mean would have cancelled the first two.
    found = directions_of(jnp.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(found.strength, [8 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.directions, [[1, 0], [0, 1]], atol=1e-6)
    # Rows that are not valid count for nothing.
    valid = directions_of(jnp.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0]]), jnp.array([False, False, True]))
    np.testing.assert_allclose(valid.directions[0], [0, 1], atol=1e-6)


def test_the_first_direction_of_a_plane_is_its_normal_and_moves_along_it_change_most() -> None:
    obs = jnp.asarray(np.random.default_rng(1).normal(size=(400, 3)), jnp.float32)
    gradients = gradients_of(obs)
    found = directions_of(gradients)
    assert float(overlap(found.directions[0], WEIGHT)) == pytest.approx(1, abs=1e-5)
    assert float(found.strength[1]) < 1e-5 * float(found.strength[0])
    lines = np.concatenate([found.directions[:1], [[0.0, 1.0, 0.0], [4.0, 0.0, 3.0], [1.0, 0.0, 0.0]]]).astype(
        np.float32
    )
    flipped = np.asarray(flips_of(obs, lines, 0.2))
    # By hand: at a distance of at most 0.2 from the plane, in units of its normal: P(|z| < 0.2) = 0.1585.
    assert flipped[0] == pytest.approx(0.1585, abs=0.05) and flipped[1] == flipped[2] == 0
    assert 0 < flipped[3] < flipped[0]
    assert (np.asarray(flips_of(obs, -3 * lines, 0.2)) == flipped).all()  # a line has no sign or length


def test_oscillation_is_nought_for_a_plane_and_one_for_right_angles() -> None:
    still = jnp.tile(jnp.array([[1.0, 2.0], [-2.0, -4.0]]), (4, 1))
    assert float(turning_of(still, 2)) == pytest.approx(0, abs=1e-6)
    turning = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, -3.0], [2.0, 0.0], [1.0, 0.0]])
    assert float(turning_of(turning, 2)) == pytest.approx(1, abs=1e-6)
    assert float(turning_of(1e-9 * turning, 2)) == pytest.approx(1, abs=1e-6)  # only directions count
    # A window with an invalid row, or without slope, has no direction; without pairs nothing is known.
    half = jnp.array([True, True, True, False, True, True])
    assert np.isnan(float(turning_of(turning, 2, half))) and np.isnan(float(turning_of(0 * turning, 2)))
