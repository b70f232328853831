"""Denoising chains and autoencoders: identities of the schedule, oracles, and formulas without networks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks import generative

KEY = jax.random.key(0)
SPEC = Spec(Box((2,)), Box((1, 2), -1.0, 1.0))
OBS = jnp.array([0.5, -0.5])


class Oracle(eqx.Module):
    """Knows the action, and so the noise: the noisy action less the part of it that is signal."""

    action: Any
    kept: Any

    def __call__(self, features: Any, noisy: Any, step: Any, key: Any) -> Any:
        return (noisy - jnp.sqrt(self.kept[step]) * self.action) / jnp.sqrt(1 - self.kept[step])


class Silent(eqx.Module):
    """Sees no noise anywhere."""

    def __call__(self, features: Any, noisy: Any, step: Any, key: Any) -> Any:
        return jnp.zeros_like(noisy)


def chain(network: Any, steps: int, key: Any = KEY) -> Any:
    actor = generative.denoising_actor(SPEC, 4, 1, steps)(KEY)
    return eqx.tree_at(lambda a: a.network, actor, network).chain(OBS, key)


def test_the_schedule_by_hand() -> None:
    # Two steps: 1 - beta = exp(-0.1 / 2 - 4.95 * (1, 3) / 4) = exp(-1.2875) and exp(-3.7625).
    betas, kept = generative.variance_preserving(2)
    np.testing.assert_allclose(betas, [1 - np.exp(-1.2875), 1 - np.exp(-3.7625)], rtol=1e-5)
    np.testing.assert_allclose(kept, [np.exp(-1.2875), np.exp(-5.05)], rtol=1e-4)


@given(st.integers(1, 60))
def test_laws_of_the_schedule(steps: int) -> None:
    betas, kept = generative.variance_preserving(steps)
    assert betas.shape == kept.shape == (steps,) and np.all((0 < betas) & (betas < 1))
    assert np.all(np.diff(betas) > 0) and np.all(np.diff(kept) < 0)
    np.testing.assert_allclose(kept[0], 1 - betas[0], rtol=1e-5)
    np.testing.assert_allclose(kept[1:], kept[:-1] * (1 - betas[1:]), rtol=1e-4)
    # However many steps, the odd numbers sum to a square: what is left at the end is always exp(-0.1 - 4.95).
    np.testing.assert_allclose(kept[-1], np.exp(-5.05), rtol=2e-3)


def test_mixing_noise_in_keeps_the_variance() -> None:
    actor = generative.denoising_actor(SPEC, 4, 1, 4)(KEY)
    kept = generative.variance_preserving(4)[1]
    draw = jax.random.normal(KEY, (2, 20_000, 1, 2))
    for step in range(4):
        one = actor.corrupt(jnp.ones((1, 2)), jnp.full((1, 2), 2.0), jnp.int32(step))
        np.testing.assert_allclose(one, np.sqrt(kept[step]) + 2 * np.sqrt(1 - kept[step]), rtol=1e-5)
        mixed = jax.vmap(actor.corrupt, (0, 0, None))(*draw, jnp.int32(step))
        np.testing.assert_allclose(jnp.var(mixed), 1.0, atol=0.03)
        signal = np.corrcoef(np.ravel(mixed), np.ravel(draw[0]))[0, 1]
        np.testing.assert_allclose(signal, np.sqrt(kept[step]), atol=0.03)
    assert signal < 0.1, "the last step is nearly noise"


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_whoever_knows_the_noise_arrives_at_the_action(steps: int) -> None:
    kept = jnp.asarray(generative.variance_preserving(steps)[1])
    rows = chain(Oracle(jnp.array([0.3, -0.8]), kept), steps)
    assert rows.shape == (steps + 1, 1, 2)
    np.testing.assert_allclose(rows[-1], [[0.3, -0.8]], atol=1e-4)


def test_no_step_but_the_last_adds_none_of_its_noise() -> None:
    # One step and no predicted noise: the start over sqrt(1 - beta), clipped, and nothing drawn.
    betas = generative.variance_preserving(1)[0]
    rows = chain(Silent(), 1)
    np.testing.assert_allclose(rows[1], jnp.clip(rows[0] / np.sqrt(1 - betas[0]), -1, 1), rtol=1e-5)
    many = jax.jit(jax.vmap(lambda key: chain(Silent(), 3, key)))(jax.random.split(KEY, 500))
    assert float(jnp.abs(many[:, 1:]).max()) <= 1.0 < float(jnp.abs(many[:, 0]).max())
    np.testing.assert_allclose(many[:, 0].mean(), 0, atol=0.15)
    last_beta = generative.variance_preserving(3)[0][0]
    np.testing.assert_allclose(many[:, 3], jnp.clip(many[:, 2] / np.sqrt(1 - last_beta), -1, 1), rtol=1e-5, atol=1e-6)
    assert np.any(many[:, 2] != jnp.clip(many[:, 1] / np.sqrt(1 - generative.variance_preserving(3)[0][1]), -1, 1))


def test_dropout_is_for_training_and_steps_are_told_apart() -> None:
    actor = generative.denoising_actor(SPEC, 8, 1, 5, dropout=0.5)(KEY)
    noisy = jnp.full((1, 2), 0.3)
    predict = jax.jit(lambda *given: actor.noise_prediction(*given))
    still = predict(OBS, noisy, jnp.int32(2))
    np.testing.assert_array_equal(still, predict(OBS, noisy, jnp.int32(2)))
    assert np.any(still != predict(OBS, noisy, jnp.int32(3))) and np.any(still != predict(-OBS, noisy, jnp.int32(2)))
    trained = jax.jit(jax.vmap(lambda key: actor.noise_prediction(OBS, noisy, jnp.int32(2), key)))
    assert len(np.unique(trained(jax.random.split(KEY, 8))[:, 0, 0])) > 4
    np.testing.assert_array_equal(actor.sample(OBS, KEY), actor.chain(OBS, KEY)[-1])


def test_a_residual_block_without_weights_is_the_identity() -> None:
    block = generative.ResidualBlock(4, 0.5, key=KEY)
    block = eqx.tree_at(lambda b: (b.narrow.weight, b.narrow.bias), block, (jnp.zeros((16, 4)), jnp.zeros(4)))
    x = jnp.arange(4.0)
    np.testing.assert_array_equal(block(x, None), x)
    np.testing.assert_array_equal(block(x, KEY), x)


def test_an_autoencoder_by_hand() -> None:
    model = generative.conditional_autoencoder(Spec(Box((1,)), Box((1,), -1.0, 1.0)), 4, 0)(KEY)
    assert model.latent == 2
    # Recognition from (obs, action): means obs and action; log deviations 0 and 2 obs. Generation: tanh(obs + z0 - z1).
    model = eqx.tree_at(
        lambda m: tuple(getattr(net.layers[0], name) for net in (m.recognise, m.generate) for name in ("weight", "bias")),
        model,
        (
            jnp.array([[1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0]]), jnp.zeros(4),
            jnp.array([[1.0], [1.0], [-1.0]]), jnp.zeros(1),
        ),
    )  # fmt: skip
    obs, action = jnp.array([0.5]), jnp.array([0.25])
    mean, log_std = model.encode(obs, action)
    np.testing.assert_allclose(mean, [0.5, 0.25])
    np.testing.assert_allclose(log_std, [0.0, 1.0])
    # Noise (1, -1): z = (0.5 + 1, 0.25 - e); tanh(0.5 + 1.5 - 0.25 + e)
    found, *_ = model.reconstruct(obs, action, jnp.array([1.0, -1.0]))
    np.testing.assert_allclose(found, [np.tanh(1.75 + np.e)], rtol=1e-6)
    np.testing.assert_allclose(model.decode(obs, jnp.array([0.2, 0.4])), [np.tanh(0.3)], rtol=1e-6)
    for extreme, held in ((9.0, 15.0), (-9.0, -4.0)):
        np.testing.assert_allclose(model.encode(jnp.array([extreme]), action)[1][1], held)
    # A draw's latents lie within +-0.5, so tanh's argument within obs +- 1, and reaches both ends.
    draws = jax.vmap(lambda key: model.sample(obs, key))(jax.random.split(KEY, 300))
    np.testing.assert_allclose([draws.min(), draws.max()], np.tanh([-0.5, 1.5]), rtol=1e-5)


def test_a_batch_draws_with_keys_of_its_rows() -> None:
    model = generative.conditional_autoencoder(SPEC, 4, 1)(KEY)
    draws = generative.sampled_from(model)(jnp.ones((6, 2)), KEY)
    assert draws.shape == (6, 1, 2) and len(np.unique(draws[:, 0, 0])) == 6
    assert isinstance(model, generative.Generator)


@pytest.mark.parametrize("make", [generative.denoising_actor, generative.conditional_autoencoder])
@pytest.mark.parametrize("action", [Discrete(2), Box((1,))])
def test_generators_need_bounds(make: Any, action: Any) -> None:
    with pytest.raises(SpaceError, match="finite bounds"):
        make(Spec(Box((2,)), action))


@pytest.mark.parametrize("step", [0, 3])
def test_one_shot_undoes_the_mixing_when_the_noise_is_the_true_one(step: int) -> None:
    actor = generative.denoising_actor(SPEC, 4, 1, 4)(KEY)
    action, noise = jnp.array([[0.3, -0.8]]), jnp.array([[1.5, -0.2]])
    noisy = actor.corrupt(action, noise, jnp.int32(step))
    np.testing.assert_allclose(actor.one_shot(noisy, noise, jnp.int32(step)), action, atol=1e-5)
    # A believed noise that is too small by d leaves d times the ratio of noise to signal in the action.
    kept = generative.variance_preserving(4)[1][step]
    off = actor.one_shot(noisy, noise - 0.01, jnp.int32(step)) - action
    np.testing.assert_allclose(off, 0.01 * np.sqrt((1 - kept) / kept), rtol=1e-2)
    np.testing.assert_array_equal(actor.one_shot(9 * jnp.ones((1, 2)), noise, jnp.int32(step)), 1.0)


class Normal(eqx.Module):
    """Knows that actions are normal with mean 0 and this deviation, and so what noise to expect."""

    deviation: Any
    kept: Any

    def __call__(self, features: Any, noisy: Any, step: Any, key: Any) -> Any:
        kept = self.kept[step]
        return jnp.sqrt(1 - kept) / (kept * self.deviation**2 + 1 - kept) * noisy


def test_the_solver_follows_the_flow_of_a_normal_and_by_second_order() -> None:
    steps, deviation = 200, 0.3
    kept = generative.variance_preserving(steps)[1].astype(np.float64)
    actor = generative.denoising_actor(SPEC, 4, 1, steps)(KEY)
    actor = eqx.tree_at(lambda a: a.network, actor, Normal(deviation, jnp.asarray(kept, jnp.float32)))
    start = np.asarray(jax.random.normal(generative.named(KEY, "start"), (2,)))
    # The flow keeps the action's place among its distribution: the start over the spread there times the spread at the
    # first step; then what a normal's mean keeps of it.
    spread = np.sqrt(kept * deviation**2 + 1 - kept)
    exact = start / spread[-1] * spread[0] * np.sqrt(kept[0]) * deviation**2 / spread[0] ** 2
    gaps = [np.abs(np.ravel(actor.solve(OBS, KEY, count)) - exact).max() for count in (5, 10, 20)]
    # Twice as many evaluations leave about a third of the error; a solver of first order leaves half, and more from the
    # start: 0.10, 0.05 and 0.02 of the start's place.
    assert gaps[0] > 2.5 * gaps[1] > 2.5 * 2.2 * gaps[2]
    assert gaps[1] < 0.02 * np.abs(start).max()


def test_visited_steps_run_from_noise_to_clean() -> None:
    assert generative.evenly_spread(200, 10).tolist() == [199, 170, 136, 97, 59, 31, 15, 6, 2, 0]
    assert generative.evenly_spread(5, 99).tolist() == [4, 3, 2, 1, 0] and generative.evenly_spread(5, 1).tolist() == [
        4
    ]


@pytest.mark.parametrize("evaluations", [1, 2, 9])
def test_the_solver_arrives_at_a_known_action(evaluations: int) -> None:
    kept = jnp.asarray(generative.variance_preserving(5)[1])
    actor = generative.denoising_actor(SPEC, 4, 1, 5)(KEY)
    actor = eqx.tree_at(lambda a: a.network, actor, Oracle(jnp.array([0.3, -0.8]), kept))
    np.testing.assert_allclose(generative.Solved(actor, evaluations).sample(OBS, KEY), [[0.3, -0.8]], atol=1e-4)
