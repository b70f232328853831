"""Shapley values: a game worked by hand, shap's own answers, and the axioms that leave no other division."""

import itertools
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.explain.coalitions import answers, attributed, attributed_traced
from pilothouse.explain.shapley import (
    all_coalitions,
    coalitions_of,
    occlusion_coalitions,
    sampled_coalitions,
    shapley_coalitions,
)

CASES = json.loads((Path(__file__).parents[1] / "oracles" / "shap_exact.json").read_text())["cases"]
DRAW = np.random.default_rng(0)
OBS, BACKGROUND = DRAW.normal(size=(5, 4)), DRAW.normal(size=(3, 4))


def by_definition(function, obs, background):
    """Slow twin: the mean over all orders of what each feature adds when it joins those before it."""
    features, orders = len(obs), list(itertools.permutations(range(len(obs))))
    values = 0.0
    for order in orders:
        known, before = np.zeros(features, bool), function(background).mean(axis=0)
        share = np.zeros((len(before), features))
        for feature in order:
            known[feature] = True
            now = function(np.where(known, obs, background)).mean(axis=0)
            share[:, feature], before = now - before, now
        values = values + share / len(orders)
    return values


def twisted(x):
    """Interactions of two and three features, a kink, and a feature that is not read (the last)."""
    return np.stack([x[:, 0] * x[:, 1] + np.maximum(x[:, 2], 0), np.sin(x[:, 0] * x[:, 1] * x[:, 2])], axis=1)


def test_a_product_is_divided_as_worked_by_hand() -> None:
    # f = x0 x1 at (2, 3) against (0, 1): v() = 0, v(0) = 2, v(1) = 0, v(01) = 6.
    # Feature 0 adds 2 first and 6 second: 4. Feature 1 adds 0 first and 4 second: 2. Together 6 = f(x) - f(b).
    obs, background = np.array([[2.0, 3.0]]), np.array([[0.0, 1.0]])
    product = lambda x: x.prod(axis=1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(attributed(product, obs, background, all_coalitions(2))[0], [[4.0, 2.0]])
    # Occlusion: 6 less f(0, 3) = 0, and 6 less f(2, 1) = 2.
    np.testing.assert_allclose(attributed(product, obs, background, occlusion_coalitions(2))[0], [[6.0, 4.0]])
    # The one order (1, 0) and its reverse are all orders of two.
    np.testing.assert_allclose(attributed(product, obs, background, sampled_coalitions(2, 1))[0], [[4.0, 2.0]])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_exact_values_equal_those_of_shap(case) -> None:
    arrays = {name: np.array(x) for name, x in case.items() if name != "name"}

    def network(x, lib=np):
        return lib.tanh(x @ arrays["inner"] + arrays["shift"]) @ arrays["outer"]

    coalitions = shapley_coalitions(arrays["obs"].shape[1])
    wanted = np.swapaxes(arrays["values"], 1, 2)
    ours = attributed(network, arrays["obs"], arrays["background"], coalitions)
    np.testing.assert_allclose(ours, wanted, atol=1e-9)
    traced = jax.jit(lambda o, b: attributed_traced(lambda x: network(x, jnp), o, b, coalitions))
    np.testing.assert_allclose(traced(arrays["obs"], arrays["background"]), wanted, atol=1e-5)


def test_exact_values_equal_the_mean_over_all_orders() -> None:
    ours = attributed(twisted, OBS, BACKGROUND, all_coalitions(4))
    for one, seen in zip(ours, OBS, strict=True):
        np.testing.assert_allclose(one, by_definition(twisted, seen, BACKGROUND), atol=1e-12)
    # As sampled, over every order there is.
    orders = np.array(list(itertools.permutations(range(4))))
    np.testing.assert_allclose(attributed(twisted, OBS, BACKGROUND, coalitions_of(orders)), ours, atol=1e-12)


@pytest.mark.parametrize("coalitions", [all_coalitions(4), sampled_coalitions(4, 3)], ids=["exact", "sampled"])
def test_shares_add_up_and_what_is_not_read_gets_nothing(coalitions) -> None:
    values = attributed(twisted, OBS, BACKGROUND, coalitions)
    np.testing.assert_allclose(values.sum(axis=2), twisted(OBS) - twisted(BACKGROUND).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(values[:, :, 3], 0, atol=1e-12)
    assert (np.abs(values[:, 0, :3]).mean(axis=0) > 0.05).all()


def test_features_that_enter_alike_get_alike() -> None:
    obs, background = np.array([[1.5, 1.5, -1.0]]), np.array([[0.2, 0.2, 0.3], [-1.0, -1.0, 2.0]])
    symmetric = lambda x: np.exp(x[:, :1] * x[:, 1:2]) * x[:, 2:]  # noqa: E731
    values = attributed(symmetric, obs, background, all_coalitions(3))[0, 0]
    assert values[0] == pytest.approx(values[1], abs=1e-12) and abs(values[0] - values[2]) > 0.1


@pytest.mark.parametrize("make", [all_coalitions, lambda n: sampled_coalitions(n, 2), occlusion_coalitions])
def test_a_linear_function_has_weight_times_distance_from_the_background(make) -> None:
    weight = np.array([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0], [-1.0, 1.0]])
    values = attributed(lambda x: x @ weight + 7, OBS, BACKGROUND, make(4))
    np.testing.assert_allclose(values, weight.T * (OBS - BACKGROUND.mean(axis=0))[:, None, :], atol=1e-12)


def test_sampled_values_come_to_the_exact_ones() -> None:
    exact = attributed(twisted, OBS, BACKGROUND, all_coalitions(4))
    errors = []
    for orders in (1, 16, 400):
        sampled = [attributed(twisted, OBS, BACKGROUND, sampled_coalitions(4, orders, seed)) for seed in range(8)]
        errors.append(np.sqrt(np.mean((np.array(sampled) - exact) ** 2)))
    # Root-mean-square errors fall with the root of the orders: 4 and 5 times, if all were independent.
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0
    # Unbiased: the mean of 8 x 400 orders is as near as its own error allows.
    assert np.abs(np.mean(sampled, axis=0) - exact).max() < 4 * errors[2]


def test_an_order_with_its_reverse_is_exact_where_features_meet_in_pairs() -> None:
    # Half of a pair's worth falls to whoever comes second; reversed, to the other: that is the exact division.
    pairs = lambda x: x[:, :1] * x[:, 1:2] + x[:, 2:3] * x[:, 3:] + x[:, 1:2] ** 2  # noqa: E731
    exact = attributed(pairs, OBS, BACKGROUND, all_coalitions(4))
    np.testing.assert_allclose(attributed(pairs, OBS, BACKGROUND, sampled_coalitions(4, 1)), exact, atol=1e-12)


def test_weights_and_sets_are_as_counted() -> None:
    coalitions = all_coalitions(3)
    assert coalitions.known.shape == (8, 3) and len(np.unique(coalitions.known, axis=0)) == 8
    np.testing.assert_allclose(coalitions.weights.sum(axis=1), 0, atol=1e-15)  # a constant answer explains nothing
    alone = coalitions.known.tolist().index([True, False, False])
    assert coalitions.weights[0, alone] == pytest.approx(math.factorial(2) / math.factorial(3))
    assert coalitions.weights[1, alone] == pytest.approx(-1 / 6)
    many = shapley_coalitions(17, orders=5)
    assert len(many.known) <= 2 * 5 * 16 + 2 and many.weights.shape[0] == 17
    np.testing.assert_allclose(many.weights.sum(axis=1), 0, atol=1e-12)


def test_both_forms_agree_and_batches_change_nothing(monkeypatch) -> None:
    import pilothouse.explain.coalitions as module

    coalitions = sampled_coalitions(4, 2)
    whole = answers(twisted, OBS, BACKGROUND, coalitions.known)
    for numbers in (1, 60, 200):
        monkeypatch.setattr(module, "_NUMBERS", numbers)
        np.testing.assert_allclose(answers(twisted, OBS, BACKGROUND, coalitions.known), whole, atol=1e-14)
    function = lambda x: jnp.stack([x[0] * x[1] + jnp.maximum(x[2], 0), jnp.sin(x[0] * x[1] * x[2])])  # noqa: E731
    monkeypatch.setattr(module, "_ROWS", 9)  # three rows of background: three coalitions at a time
    traced = jax.jit(lambda o, b: attributed_traced(function, o, b, coalitions))(OBS, BACKGROUND)
    np.testing.assert_allclose(traced, attributed(twisted, OBS, BACKGROUND, coalitions), atol=1e-5)


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="expected as many"):
        attributed(twisted, OBS, BACKGROUND[:, :3], all_coalitions(4))
    with pytest.raises(DataError, match="not finite"):
        attributed(twisted, OBS * np.nan, BACKGROUND, all_coalitions(4))
    with pytest.raises(DataError, match="one row of outputs"):
        attributed(lambda x: x[:, 0], OBS, BACKGROUND, all_coalitions(4))
    with pytest.raises(SettingError, match="1 to 20"):
        all_coalitions(21)
    with pytest.raises(SettingError, match="at least one"):
        sampled_coalitions(4, 0)
