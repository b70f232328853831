"""The boundary between two choices: recovered where it is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.explain.boundary import LinearChoice, boundary_of, in_words

OBS = np.random.default_rng(0).normal(size=(600, 3))
WEIGHT, SHIFT = np.array([1.0, -0.5, 2.0]), 0.3


def test_a_policy_that_is_a_plane_is_found_again() -> None:
    score = OBS @ WEIGHT + SHIFT
    # Saturated: what each feature contributes to a choice jumps at the boundary, as a network's does.
    shares = np.tanh(4 * score)[:, None] * np.abs(WEIGHT * OBS).clip(0.5, 1.0)
    found = boundary_of(OBS, shares, score > 0)
    weight = np.asarray(found.policy.weight)
    np.testing.assert_allclose(weight / weight[2], WEIGHT / 2, atol=0.1)
    assert float(found.policy.shift) / weight[2] == pytest.approx(0.15, abs=0.1)
    assert found.agreement > 0.96 and found.clusters > 0.9 and found.points.shape == (10, 3)
    # The other way round, the sides change places and nothing else does.
    turned = boundary_of(OBS, shares, score <= 0)
    np.testing.assert_allclose(turned.policy.weight, -weight, atol=1e-5)
    assert turned.agreement == pytest.approx(found.agreement)
    assert turned.as_json()["rule"] == turned.rule and len(turned.as_json()["weight"]) == 3


def test_the_plane_through_points_gives_the_last_feature_by_the_others() -> None:
    # By hand: shares in two heaps along x0, the border at 0; the four points nearest to it lie on x1 = 2 x0 + 1.
    near = np.array([[-0.1, 0.8], [0.1, 1.2], [-0.2, 0.6], [0.2, 1.4]])
    far = np.array([[-3.0, 0.0], [3.0, 5.0], [-4.0, -8.0], [4.0, 10.0]])
    obs = np.concatenate([near, np.repeat(far, 3, axis=0)])
    heaps = 4 * np.sign(obs[:, :1]) + obs[:, :1]
    shares = np.concatenate([heaps, 0 * heaps], axis=1)
    chosen = obs[:, 1] - 2 * obs[:, 0] - 1 > 0
    chosen[:4] = False
    found = boundary_of(obs, shares, chosen, points=4)
    np.testing.assert_allclose(np.abs(found.policy.weight), [2, 1], atol=1e-4)
    assert abs(float(found.policy.shift)) == pytest.approx(1, abs=1e-4)


def test_where_one_choice_prevails_on_both_sides_it_is_always_taken() -> None:
    shares = np.concatenate([OBS[:, :1], OBS[:, 1:2], OBS[:, 2:]], axis=1)
    found = boundary_of(OBS, shares, np.ones(600, bool))
    assert found.agreement == 1 and found.rule == "choice 1 where 1 > 0, else choice 0"
    with pytest.raises(DataError, match="has no boundary"):
        boundary_of(OBS, 0 * shares, np.ones(600, bool))


def test_it_acts_by_the_side() -> None:
    policy = LinearChoice(jnp.array([1.0, -1.0]), jnp.array(0.5))
    acted = jax.vmap(lambda o: policy(o, (), jax.random.key(0))[0])(jnp.array([[0.0, 0.4], [0.0, 0.6]]))
    assert acted.tolist() == [1, 0] and acted.dtype == jnp.int32
    assert in_words(np.array([0.35, -1.0]), 0.3) == "choice 1 where 0.35 x0 - 1 x1 + 0.3 > 0, else choice 0"
