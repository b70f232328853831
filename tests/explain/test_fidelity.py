"""Tests of explanations, themselves tested: where the truth is known, they must say so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.explain.coalitions import attributed
from pilothouse.explain.fidelity import (
    agreement,
    area,
    curves,
    importance,
    infidelity,
    likeness,
    max_sensitivity,
    random_curves,
    rank_correlation,
    sanity,
)
from pilothouse.explain.randomised import has_weights, inputs_shuffled, weights_redrawn
from pilothouse.explain.shapley import all_coalitions

DRAW = np.random.default_rng(0)
WEIGHT = np.array([[5.0, 0.0], [0.0, -3.0], [1.0, 1.0], [0.0, 0.0], [0.3, 0.0]])
OBS, BACKGROUND = DRAW.normal(size=(6, 5)), DRAW.normal(size=(4, 5))


def linear(x):
    return x @ WEIGHT - 2


def exact(function=linear, obs=OBS, background=BACKGROUND):
    return attributed(function, obs, background, all_coalitions(obs.shape[1]))


def product(x):
    return x.prod(axis=1, keepdims=True)


def test_curves_of_a_sum_are_as_worked_by_hand() -> None:
    # f = 3 a + b at (1, 1) against (0, 0). Deleting a, then b: moved by 3 and 4 of 4. Inserting a, then b: back by 3, 4.
    summed = lambda x: x @ np.array([[3.0], [1.0]])  # noqa: E731
    found = curves(summed, np.ones((1, 2)), np.zeros((1, 2)), np.array([[3.0, 1.0]]))
    np.testing.assert_allclose(found.deletion, [0, 0.75, 1])
    np.testing.assert_allclose(found.insertion, [0, 0.75, 1])
    assert found.deletion_area == pytest.approx((0.375 + 0.875) / 2)  # trapezoids of width one half
    wrong = curves(summed, np.ones((1, 2)), np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    np.testing.assert_allclose(wrong.deletion, [0, 0.25, 1])
    assert wrong.gain < 0 < found.gain
    # Either order of two is as likely: random curves lie between, around one half in the middle.
    middle = random_curves(summed, np.ones((1, 2)), np.zeros((1, 2)), orders=200)
    np.testing.assert_allclose([middle[0][1], middle[1][1]], 0.5, atol=0.06)


def test_deletion_and_insertion_differ_where_any_feature_is_enough() -> None:
    # f = max(a, b) at (1, 1) against (0, 0): the first deletion moves nothing, the first insertion brings all back.
    either = lambda x: x.max(axis=1, keepdims=True)  # noqa: E731
    found = curves(either, np.ones((1, 2)), np.zeros((1, 2)), np.array([[2.0, 1.0]]))
    np.testing.assert_allclose(found.deletion, [0, 0, 1])
    np.testing.assert_allclose(found.insertion, [0, 1, 1])


def test_no_order_does_better_than_the_true_one() -> None:
    size = np.abs(exact())
    for one in range(2):  # one output at a time: there the order by size is optimal for each background row's mean
        alone = lambda x, one=one: linear(x)[:, one : one + 1]  # noqa: E731
        background = BACKGROUND.mean(axis=0, keepdims=True)
        weights = np.abs(WEIGHT[:, one] * (OBS - background))
        best = curves(alone, OBS, background, weights)
        assert best.gain > 0.05
        # Taking the truly largest away first moves a response most; shares of one sign add up.
        first = np.take_along_axis(weights, np.argsort(-weights, axis=1)[:, :1], axis=1).mean()
        assert best.deletion[1] * np.abs(alone(OBS) - alone(background)).mean() == pytest.approx(first)
        for seed in range(5):
            other = curves(alone, OBS, background, np.random.default_rng(seed).random(OBS.shape))
            assert other.deletion[1] <= best.deletion[1] + 1e-12
    assert curves(linear, OBS, BACKGROUND, importance(exact())).gain > 0.1 and size.shape == (6, 2, 5)


def test_many_features_go_several_at_a_time() -> None:
    wide = lambda x: x[:, :1] + 0 * x[:, 1:2]  # noqa: E731
    obs = DRAW.normal(size=(3, 70))
    found = curves(wide, obs, np.zeros((2, 70)), np.eye(70)[[0, 0, 0]])
    assert len(found.deletion) == 21 and found.deletion[1] == pytest.approx(1) and found.gain > 0.3


def test_a_response_that_never_changes_favours_no_order() -> None:
    still = lambda x: np.ones((len(x), 2))  # noqa: E731
    found = curves(still, OBS, BACKGROUND, OBS)
    assert found.gain == 0 and found.deletion_area == pytest.approx(0.5)
    assert np.isnan(infidelity(still, OBS, BACKGROUND, np.zeros((6, 2, 5))))


def test_infidelity_is_nought_for_a_sum_and_one_for_silence() -> None:
    assert infidelity(linear, OBS, BACKGROUND, exact()) == pytest.approx(0, abs=1e-20)
    assert infidelity(linear, OBS, BACKGROUND, 0 * exact()) == pytest.approx(1)
    # Twice too much errs by as much as the change itself; the wrong sign by twice that, squared.
    assert infidelity(linear, OBS, BACKGROUND, 2 * exact()) == pytest.approx(1)
    assert infidelity(linear, OBS, BACKGROUND, -exact()) == pytest.approx(4)
    # x0 x1 at (2, 3) against (0, 1), shares 4 and 2. Taken away: x0 (6 - 0), x1 (6 - 2), both (6 - 0); said 4, 2, 6.
    # Squared errors 4, 4, 0; squared changes 36, 16, 36.
    by_hand = infidelity(product, np.array([[2.0, 3.0]]), np.array([[0.0, 1.0]]), np.array([[[4.0, 2.0]]]))
    assert by_hand == pytest.approx(8 / 88)


def test_sampled_sets_estimate_the_same_infidelity() -> None:
    values = exact(product)
    every = infidelity(product, OBS, BACKGROUND, values, sets=31)
    some = infidelity(product, OBS, BACKGROUND, values, sets=30, seed=1)
    many = [infidelity(product, OBS, BACKGROUND, values, sets=30, seed=seed) for seed in range(30)]
    assert some != every and np.mean(many) == pytest.approx(every, rel=0.15)


def test_sensitivity_of_a_linear_explanation_is_its_slope() -> None:
    # An explanation x -> x of one feature at 2: moved by at most 0.1, it changes by at most a twentieth.
    same = lambda x: x[:, None, :]  # noqa: E731
    found = max_sensitivity(same, np.array([[2.0]]), np.array([0.1]), draws=200)
    assert 0.045 < found <= 0.05
    assert max_sensitivity(lambda x: np.ones((len(x), 1, 1)), np.array([[2.0]]), np.array([0.1])) == 0
    noise = lambda x: np.random.default_rng(abs(hash(x.tobytes()))).normal(size=(len(x), 2, 5))  # noqa: E731
    assert max_sensitivity(noise, OBS, np.full(5, 0.01)) > 1


def test_rank_correlations_are_spearmans() -> None:
    a, b = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1.0, 3.0, 2.0, 40.0]])
    assert rank_correlation(a, b)[0] == pytest.approx(0.8)  # 1 - 6 (1 + 1) / (4 (16 - 1))
    assert rank_correlation(a, -b)[0] == pytest.approx(-0.8) and rank_correlation(a, 0 * b)[0] == 0
    assert rank_correlation(a, np.exp(a))[0] == pytest.approx(1)
    assert agreement(exact(), -3 * exact()) == pytest.approx(1)  # what matters, not which way
    assert likeness(exact(), -3 * exact()) == pytest.approx(-1)


def test_sanity_is_passed_by_what_reads_the_policy_and_by_nothing_else() -> None:
    centre, spread = OBS.mean(axis=0), OBS.std(axis=0)
    others = [inputs_shuffled(linear, centre, spread, seed=seed) for seed in range(16)]
    grounds = DRAW.normal(size=(2, 60, 5))
    honest = sanity(exact(background=grounds[0]), exact(background=grounds[1]), [exact(other) for other in others])
    assert honest.passed and honest.same > 0.8 and abs(honest.randomised) < 0.4
    # An explanation of the observation alone, like an edge detector, is the same whatever the policy is.
    blind = np.repeat(OBS[:, None, :], 2, axis=1)
    assert not sanity(blind, blind, [blind] * 16).passed and sanity(blind, blind, [blind]).randomised == 1
    # Dice are destroyed by everything, by asking again too.
    dice = [DRAW.normal(size=(6, 2, 5)) for _ in range(18)]
    assert not sanity(dice[0], dice[1], dice[2:]).passed
    # A policy that does not look has nothing to explain.
    assert not sanity(0 * exact(), 0 * exact(), [exact()] * 4).passed


def test_shuffled_inputs_keep_the_size_of_what_enters() -> None:
    seen = []
    function = lambda x: seen.append(x) or x[:, :1]  # noqa: E731
    centre, spread = np.array([10.0, -5.0, 0.0]), np.array([1.0, 3.0, 0.0])
    rows = centre + spread * DRAW.normal(size=(200, 3))
    inputs_shuffled(function, centre, spread, seed=3)(rows)
    np.testing.assert_allclose(seen[0].mean(axis=0), centre, atol=0.5)
    np.testing.assert_allclose(seen[0].std(axis=0)[2], 0)
    assert has_weights({"w": np.ones((2, 2))}) and not has_weights({"b": np.ones(2), "f": print})


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="ranking of shape"):
        curves(linear, OBS, BACKGROUND, OBS[:, :3])
    assert area(np.array([0.0, 1.0])) == 0.5


def test_weights_drawn_anew_are_of_the_same_size_and_nothing_else_changes() -> None:
    policy = {"matrix": np.full((40, 50), 3.0, np.float32), "vector": np.ones(5, np.float32), "count": 2}
    policy = jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, policy)
    one, other = (weights_redrawn(policy, jax.random.key(seed)) for seed in range(2))
    assert float(jnp.sqrt((one["matrix"] ** 2).mean())) == pytest.approx(3, rel=0.05)
    assert abs(float(jnp.corrcoef(one["matrix"].ravel(), other["matrix"].ravel())[0, 1])) < 0.1
    assert (one["vector"] == 1).all() and one["count"] == 2
