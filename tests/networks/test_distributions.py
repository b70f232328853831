"""Distributions against integrals, samples and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import WiringError
from pilothouse.networks.distributions import (
    Categorical,
    Deterministic,
    Gaussian,
    Joint,
    MultiCategorical,
    SquashedGaussian,
    kl,
)

KEY = jax.random.key(0)
KINDS = {
    "normal": Gaussian(jnp.array([0.5, -1.0]), jnp.array([-0.3, 0.2])),
    "squashed": SquashedGaussian(jnp.array([0.5, -1.0]), jnp.array([-0.3, 0.2])),
    "choice": Categorical(jnp.array([0.1, 2.0, -1.0])),
    "masked": Categorical(jnp.array([0.1, 2.0, -1.0]), jnp.array([True, False, True])),
    "choices": MultiCategorical(jnp.array([0.1, 2.0, -1.0, 0.5, 0.5]), (3, 2)),
    "joint": Joint({"a": Gaussian(jnp.zeros(1), jnp.ones(1)), "b": Categorical(jnp.array([0.0, 1.0]))}),
}


def test_normal_by_hand() -> None:
    # One standard normal at 1: -(log 2 pi) / 2 - 1/2; entropy (log 2 pi e) / 2.
    one = Gaussian(jnp.zeros(1), jnp.zeros(1))
    np.testing.assert_allclose(one.log_prob(jnp.ones(1)), -0.5 * np.log(2 * np.pi) - 0.5, rtol=1e-6)
    np.testing.assert_allclose(one.entropy(), 0.5 * np.log(2 * np.pi * np.e), rtol=1e-6)
    two = Gaussian(jnp.array([1.0]), jnp.log(jnp.array([2.0])))
    np.testing.assert_allclose(kl(one, two), np.log(2) + (1 + 1) / 8 - 0.5, rtol=1e-6)


@pytest.mark.parametrize("kind", ["normal", "squashed"])
def test_densities_integrate_to_one(kind: str) -> None:
    chosen = KINDS[kind]
    alone = type(chosen)(chosen.mean[:1], chosen.log_std[:1])  # type: ignore
    edge = 0.99999 if kind == "squashed" else 8.0
    grid = jnp.linspace(-edge, edge, 40_001)
    density = jnp.exp(jax.vmap(lambda x: alone.log_prob(x[None]))(grid))
    np.testing.assert_allclose(jnp.trapezoid(density, grid), 1.0, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_agree_with_log_prob_and_entropy(kind: str) -> None:
    chosen = KINDS[kind]
    keys = jax.random.split(KEY, 20_000)
    drawn, said = jax.vmap(chosen.sample_and_log_prob)(keys)
    again = jax.vmap(chosen.sample)(keys)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), drawn, again)
    np.testing.assert_allclose(jax.vmap(chosen.log_prob)(drawn), said, rtol=2e-3, atol=5e-3)
    np.testing.assert_allclose(-said.mean(), chosen.entropy(), atol=5 * float(said.std()) / 141 + 2e-3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "masked"])
def test_divergence_is_the_mean_log_ratio(kind: str) -> None:
    chosen = KINDS[kind]
    other = jax.tree.map(lambda x: 0.7 * x + 0.1, chosen)
    if isinstance(chosen, Categorical):
        other = Categorical(other.log_probs)  # type: ignore
    elif isinstance(chosen, MultiCategorical):
        other = MultiCategorical(jnp.array([0.3, 0.1, 0.2, 1.0, 0.0]), (3, 2))
    elif isinstance(chosen, Joint):
        other = Joint({"a": Gaussian(jnp.ones(1), jnp.zeros(1)), "b": Categorical(jnp.array([0.5, 0.0]))})
    drawn, said = jax.vmap(chosen.sample_and_log_prob)(jax.random.split(KEY, 20_000))
    ratio = said - jax.vmap(other.log_prob)(drawn)
    np.testing.assert_allclose(kl(chosen, other), ratio.mean(), atol=5 * float(ratio.std()) / 141 + 1e-3)
    np.testing.assert_allclose(kl(chosen, chosen), 0.0, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.lists(st.booleans(), min_size=4, max_size=4).filter(any))
def test_what_is_masked_is_never_drawn_and_moves_nothing(seed: int, allowed: list[bool]) -> None:
    mask = jnp.array(allowed)
    logits = 5 * jax.random.normal(jax.random.key(seed), (4,))
    chosen = Categorical(logits, mask)
    np.testing.assert_allclose(chosen.probs.sum(), 1.0, rtol=1e-5)
    assert not np.any(chosen.probs[~mask])
    drawn = jax.random.categorical(KEY, chosen.log_probs, shape=(200,))
    assert np.all(np.asarray(mask)[drawn]) and mask[chosen.mode()]
    slope = jax.grad(lambda x: Categorical(x, mask).entropy() + Categorical(x, mask).log_prob(chosen.mode()))(logits)
    assert np.isfinite(slope).all() and not np.any(slope[~mask])


def test_products_add_up_and_modes_are_the_likeliest() -> None:
    several = MultiCategorical(jnp.array([0.1, 2.0, -1.0, 0.5, 0.4]), (3, 2))
    np.testing.assert_array_equal(several.mode(), [1, 0])
    first, second = several.choices
    np.testing.assert_allclose(
        several.log_prob(jnp.array([2, 1])), first.log_prob(jnp.int32(2)) + second.log_prob(jnp.int32(1))
    )
    np.testing.assert_allclose(several.entropy(), first.entropy() + second.entropy())
    np.testing.assert_allclose(KINDS["squashed"].mode(), np.tanh([0.5, -1.0]), rtol=1e-6)


def test_the_tangent_stays_finite_at_its_ends() -> None:
    wide = SquashedGaussian(jnp.array([8.0]), jnp.array([0.0]))
    for action in (1.0, -1.0, 0.0):
        value, slope = jax.value_and_grad(
            lambda m, a=action: SquashedGaussian(m[None], jnp.zeros(1)).log_prob(jnp.array([a]))
        )(8.0)
        assert np.isfinite(value) and np.isfinite(slope)
    assert np.isfinite(wide.sample_and_log_prob(KEY)[1])


def test_a_certain_action_and_what_has_no_closed_form() -> None:
    certain = Deterministic(jnp.array([1.0, 2.0]))
    assert float(certain.log_prob(jnp.array([1.0, 2.0]))) == 0 and float(certain.entropy()) == 0
    assert float(certain.log_prob(jnp.array([1.0, 2.5]))) == -np.inf
    with pytest.raises(WiringError, match="closed form"):
        kl(KINDS["normal"], KINDS["choice"])
