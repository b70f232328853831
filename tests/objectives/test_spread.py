"""A covariance learned from gaps: a value by hand, SciPy's density, and where the likelihood is highest."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import multivariate_normal

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.spread import BOUNDS, spread
from pilothouse.objectives.spread import gap_loss, spread_of_gaps

KEY = jax.random.key(0)


def test_by_hand_and_by_scipy():
    # Scaled gaps 1 and 1: half of 2, log 1 + log 2, and log 2 pi.
    found = gap_loss(jnp.array([1.0, 2.0]), jnp.diag(jnp.array([1.0, 2.0])))
    np.testing.assert_allclose(found, 1 + math.log(2) + math.log(2 * math.pi), rtol=1e-6)
    factor, gap = np.array([[0.5, 0.0], [-0.3, 0.8]]), np.array([0.2, -0.7])
    wanted = -multivariate_normal(np.zeros(2), factor @ factor.T).logpdf(gap)  # type: ignore
    np.testing.assert_allclose(gap_loss(jnp.asarray(gap), jnp.asarray(factor)), wanted, rtol=1e-5)


def test_the_likeliest_covariance_is_the_mean_square_of_the_gaps_and_not_that_around_their_mean():
    gaps = 0.4 + 0.3 * jax.random.normal(KEY, (50, 2))
    slope = jax.grad(lambda factor: jax.vmap(gap_loss, (0, None))(gaps, factor).mean())
    best = jnp.linalg.cholesky(gaps.T @ gaps / 50)
    np.testing.assert_allclose(jnp.tril(slope(best)), 0, atol=1e-4)
    around = jnp.linalg.cholesky(jnp.cov(gaps.T, bias=True))
    assert jnp.abs(slope(around)).max() > 0.1


def test_a_network_of_factors_learns_and_the_actor_does_not():
    spec = Spec(Box((3,)), Box((2,), -1.0, 1.0))
    parts = {"actor": squashed_gaussian(spec, 4, 1)(KEY), "noise": spread(spec, 4, 1)(KEY)}
    rows = Batch(obs=jax.random.normal(KEY, (5, 3)), action=jnp.full((5, 2), 0.5))
    factors = jax.vmap(parts["noise"])(1e3 * rows.obs)
    assert (factors[:, 0, 1] == 0).all()
    diagonal = jnp.log(jax.vmap(jnp.diag)(factors))
    assert (diagonal >= BOUNDS[0] - 1e-5).all() and (diagonal <= BOUNDS[1] + 1e-5).all()
    slopes = jax.grad(lambda p: spread_of_gaps()(p, rows, KEY)[0], allow_int=True)(parts)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(slopes["actor"]))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(slopes["noise"]))
