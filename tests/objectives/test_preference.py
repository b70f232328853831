"""Losses from preference pairs."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.networks.transformer import TransformerConfig, transformer
from pilothouse.objectives.preference import (
    clone_chosen,
    identity_preference_loss,
    left_padded,
    logistic_preference_loss,
    text_log_prob,
    text_margin,
)

Loss = Callable[[jax.Array], jax.Array]
MODEL = transformer(TransformerConfig(8, 16, 1, heads=2, key_value_heads=1, feedforward=16))(jax.random.key(0))


def test_values_by_hand() -> None:
    # tau 0.5 asks for a margin of 1: (3 - 1)^2 = 4.
    assert float(identity_preference_loss(jnp.array(3.0), tau=0.5)) == pytest.approx(4.0)
    # -log sigmoid(0.5 * 2) = log(1 + 1/e) = 0.31326
    assert float(logistic_preference_loss(jnp.array(2.0), beta=0.5)) == pytest.approx(math.log(1 + math.exp(-1)))


@given(st.floats(-20, 20), st.floats(0.05, 5))
def test_identity_turns_back_beyond_its_margin_and_logistic_never_does(margin: float, strength: float) -> None:
    identity = jax.grad(lambda m: identity_preference_loss(m, tau=strength))(jnp.float32(margin))
    logistic = jax.grad(lambda m: logistic_preference_loss(m, beta=strength))(jnp.float32(margin))
    assert np.sign(identity) == np.sign(np.float32(2 * (np.float32(margin) - np.float32(1) / np.float32(2 * strength))))
    assert logistic <= 0


def expected_loss(log_policy: jax.Array, log_reference: jax.Array, better: jax.Array, pairwise: Loss) -> jax.Array:
    """Over pairs of actions drawn evenly, of which y is preferred to y' with probability `better[y, y']`."""
    worth = jax.nn.log_softmax(log_policy) - log_reference
    return jnp.mean(better * pairwise(worth[:, None] - worth[None]))


@given(st.integers(0, 1000), st.floats(0.2, 3), st.booleans())
def test_identity_is_least_at_the_closed_form_however_sure_the_preferences(seed: int, tau: float, sure: bool) -> None:
    # The optimum of Azar et al. with preferences taken as they are is proportional to
    # reference(y) exp(p(y is preferred) / tau), p the mean over what it is compared with, itself (1/2) included.
    one, other = jax.random.split(jax.random.key(seed))
    above = jnp.triu(jnp.round(jax.random.uniform(one, (4, 4))) if sure else jax.random.uniform(one, (4, 4)), 1)
    better = above + jnp.tril(1 - above.T, -1) + 0.5 * jnp.eye(4)
    reference = jax.nn.log_softmax(jax.random.normal(other, (4,)))
    slope = jax.grad(lambda x: expected_loss(x, reference, better, partial(identity_preference_loss, tau=tau)))
    np.testing.assert_allclose(slope(reference + better.mean(axis=1) / tau), 0, atol=1e-5 / tau)
    assert np.abs(slope(reference - better.mean(axis=1) / tau)).max() > 1e-3  # nor is any other policy


def test_logistic_is_least_at_a_finite_margin_only_where_preferences_are_in_doubt() -> None:
    beta = 0.5

    def slope(margin: float, p: float) -> float:
        loss = lambda m: p * logistic_preference_loss(m, beta=beta) + (1 - p) * logistic_preference_loss(-m, beta=beta)  # noqa: E731
        return float(jax.grad(loss)(jnp.float32(margin)))

    # With p = 0.8, where sigmoid(beta m) = 0.8: m = log(4) / 0.5 = 2.7726.
    assert slope(math.log(4) / beta, 0.8) == pytest.approx(0, abs=1e-6)
    assert slope(2, 0.8) < 0 < slope(4, 0.8)
    # With p = 1 it falls for ever, whatever beta: -beta sigmoid(-beta m), at m = 20 -0.5 / (1 + e^10) = -2.27e-5.
    assert slope(20, 1.0) == pytest.approx(-2.27e-5, rel=1e-3)


def test_left_padding() -> None:
    tokens = jnp.array([[5, 6, 7], [5, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(left_padded(tokens, jnp.array([3, 1, 0])), [[5, 6, 7], [0, 0, 5], [0, 0, 0]])


def test_a_text_counts_its_own_tokens_only_and_given_what_stands_before() -> None:
    prompt, completion = jnp.array([[3, 4]]), jnp.array([[5, 6, 7]])
    alone = [float(text_log_prob(MODEL, prompt, completion, jnp.array([n]))[0]) for n in (1, 2, 3)]
    logits = MODEL(jnp.array([3, 4, 5, 6]), jnp.ones(4, bool))
    each = [float(jax.nn.log_softmax(logits[i])[t]) for i, t in ((1, 5), (2, 6), (3, 7))]
    np.testing.assert_allclose(alone, np.cumsum(each), rtol=1e-4)
    other = text_log_prob(MODEL, prompt, jnp.array([[5, 1, 1]]), jnp.array([1]))  # what follows the end is no matter
    np.testing.assert_allclose(other[0], alone[0], rtol=1e-5)
    padded = text_log_prob(MODEL, jnp.array([[0, 3, 4]]), completion, jnp.array([3]))
    np.testing.assert_allclose(padded[0], alone[2], rtol=1e-4)


def test_margins_are_0_at_the_reference_and_change_sign_with_the_pair() -> None:
    key = jax.random.key(1)
    batch = Batch(
        prompt=jnp.array([[3, 4, 0], [3, 0, 0]]),
        prompt_length=jnp.array([2, 1]),
        chosen=jnp.array([[5, 6], [7, 0]]),
        chosen_length=jnp.array([2, 1]),
        rejected=jnp.array([[6, 0], [5, 5]]),
        rejected_length=jnp.array([1, 2]),
    )
    np.testing.assert_allclose(text_margin()({"policy": MODEL, "ref": MODEL}, batch), 0, atol=1e-5)
    moved = jax.tree.map(lambda x: x + 0.1 * jax.random.normal(key, x.shape), MODEL)
    parts = {"policy": moved, "ref": MODEL}
    turned = batch.replace(
        chosen=batch.rejected,
        chosen_length=batch.rejected_length,
        rejected=batch.chosen,
        rejected_length=batch.chosen_length,
    )
    margin = text_margin()(parts, batch)
    assert np.all(np.abs(margin) > 1e-4)
    np.testing.assert_allclose(text_margin()(parts, turned), -margin, rtol=1e-4)
    swapped = text_margin()({"policy": MODEL, "ref": moved}, batch)
    np.testing.assert_allclose(swapped, -margin, rtol=1e-4)
    # cloning: minus the mean over the three chosen tokens
    total = text_log_prob(moved, jnp.array([[3, 4], [0, 3]]), batch.chosen, batch.chosen_length).sum()
    np.testing.assert_allclose(clone_chosen(parts, batch, key)[0], -total / 3, rtol=1e-5)
