import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.objectives.dual_value import (
    chi_square_dual_loss,
    reverse_kl_dual_loss,
    total_variation_dual_loss,
)


def lowest(loss, targets: np.ndarray) -> float:
    """The prediction of least mean loss, by looking everywhere."""
    places = jnp.linspace(targets.min() - 1, targets.max() + 1, 4001)
    means = jax.vmap(lambda v: loss(jnp.full(len(targets), v), jnp.asarray(targets)).mean())(places)
    return float(places[means.argmin()])


def test_by_hand() -> None:
    v, q = jnp.zeros(2), jnp.array([2.0, -2.0])
    # mix 0.8: 0.8 * (2 + 4 / 4) - 0.2 * 2 = 2, and 0.2 * 2 = 0.4 below. Gradient by v: -(0.8 * 2 - 0.2) and 0.2.
    np.testing.assert_allclose(chi_square_dual_loss(v, q, mix=0.8), [2.0, 0.4], rtol=1e-6)
    slope = jax.grad(lambda v: chi_square_dual_loss(v, q, mix=0.8).sum())(v)
    np.testing.assert_allclose(slope, [-1.4, 0.2], rtol=1e-5)
    # 0.8 * 2 - 0.2 * 2 = 1.2 above.
    np.testing.assert_allclose(total_variation_dual_loss(v, q, mix=0.8), [1.2, 0.4], rtol=1e-6)
    # z = 1, -1 at temperature 2, divided by e: (e - 2) / e and (1 / e) / e.
    np.testing.assert_allclose(reverse_kl_dual_loss(v, q, temperature=2.0), [1 - 2 / np.e, np.exp(-2)], rtol=1e-5)


def test_the_minimisers_are_soft_maxima_of_the_targets() -> None:
    targets = np.sort(np.random.default_rng(0).normal(size=201))
    # Total variation: a share (1 - mix) / mix lies above; of chi-square the stationary point is solved for here.
    found = lowest(lambda v, q: total_variation_dual_loss(v, q, mix=0.8), targets)
    assert (targets > found).mean() == pytest.approx(0.25, abs=0.01)
    found = lowest(lambda v, q: chi_square_dual_loss(v, q, mix=0.8), targets)
    above = np.maximum(targets - found, 0)
    assert 0.8 * ((above > 0) * (1 + above / 2)).mean() == pytest.approx(0.2, abs=0.01)
    found = lowest(lambda v, q: reverse_kl_dual_loss(v, q, temperature=0.5), targets)
    # The division is by one number a batch, which moves with v but carries no gradient: stationarity is what holds.
    slope = jax.grad(lambda v: reverse_kl_dual_loss(jnp.full(201, v), jnp.asarray(targets), temperature=0.5).mean())
    soft = 0.5 * np.log(np.exp(targets / 0.5).mean())
    assert float(slope(jnp.asarray(soft))) == pytest.approx(0, abs=1e-5)
    assert float(slope(jnp.asarray(soft - 0.1))) < 0 < float(slope(jnp.asarray(soft + 0.1)))
    for loss in (chi_square_dual_loss, total_variation_dual_loss):
        levels = [lowest(lambda v, q, m=mix, f=loss: f(v, q, mix=m), targets) for mix in (0.6, 0.8, 0.95)]
        assert levels == sorted(levels)
        assert targets.mean() - 0.5 < levels[0] < levels[-1] < targets.max()


def test_an_outlier_pulls_as_a_line_or_not_at_all() -> None:
    # One target far above: chi-square's pull grows as the gap, total variation's not at all; beyond the cap Gumbel
    # regression lets go of it.
    def pull(loss, gap: float) -> float:
        return float(-jax.grad(lambda v: loss(v, jnp.array([gap]))[0])(jnp.zeros(1))[0])

    pulls = [pull(lambda v, q: chi_square_dual_loss(v, q, mix=0.5), gap) for gap in (10.0, 20.0, 40.0)]
    assert pulls[2] - pulls[1] == pytest.approx(2 * (pulls[1] - pulls[0]))
    assert pull(lambda v, q: total_variation_dual_loss(v, q, mix=0.5), 40.0) == 0.0
    assert pull(lambda v, q: total_variation_dual_loss(v, q, mix=0.8), 40.0) == pytest.approx(0.6)
    assert pull(lambda v, q: reverse_kl_dual_loss(v, q, temperature=1.0), 6.0) > 0.9
    assert pull(lambda v, q: reverse_kl_dual_loss(v, q, temperature=1.0), 8.0) == 0.0
