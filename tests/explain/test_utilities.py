"""Utilities behind choices: by hand, against the true ones, and which pairs are asked next."""

import numpy as np
import pytest
import scipy.special

from pilothouse.core.errors import DataError, SettingError
from pilothouse.explain.utilities import (
    Choices,
    Utilities,
    ask,
    cyclic_share,
    elicit,
    fidelity,
    first_pairs,
    next_pairs,
    thurstonian,
)


def test_probabilities_by_hand() -> None:
    # (2 - 0) / √(3² + 4²) = 0.4: Φ(0.4) = 0.65542.
    wants = Utilities(np.array([2.0, 0.0]), np.array([3.0, 4.0]))
    np.testing.assert_allclose(wants.prefers(np.array([[0, 1], [1, 0]])), [0.65542, 0.34458], atol=1e-5)


def test_the_fit_finds_the_utilities_that_made_the_choices() -> None:
    generator = np.random.default_rng(0)
    mean, deviation = generator.normal(size=12), generator.uniform(0.3, 1.0, 12)
    pairs = np.stack(np.triu_indices(12, 1), axis=1)
    exact = Utilities(mean, deviation).prefers(pairs)
    found = thurstonian(Choices(pairs, exact, np.full(len(pairs), 1000.0)), 12, ridge=1e-3)
    np.testing.assert_allclose(found.prefers(pairs), exact, atol=0.01)
    centred = (mean - mean.mean()) / mean.std()
    np.testing.assert_allclose(found.mean, centred, atol=0.05)
    np.testing.assert_allclose(found.deviation, deviation / mean.std(), rtol=0.1)
    assert found.mean.mean() == pytest.approx(0, abs=1e-9) and found.mean.std() == pytest.approx(1)


def test_one_outcome_may_be_noisier_than_another() -> None:
    # 0 beats 1 surely and loses and wins against 2 evenly, which beats 1 but 7 times in 10: 2 is as good, and noisier.
    pairs = np.array([[0, 1], [0, 2], [2, 1]])
    found = thurstonian(Choices(pairs, np.array([0.99, 0.5, 0.7]), np.full(3, 200.0)), 3)
    assert found.deviation[2] > 2 * found.deviation[0] and found.mean[0] == pytest.approx(found.mean[2], abs=0.2)


def test_both_orders_cancel_a_liking_for_the_first() -> None:
    pairs = np.array([[0, 1], [2, 3]])
    found = ask(lambda shown: np.ones(len(shown), bool), pairs, answers=3)
    np.testing.assert_array_equal(found.share, [0.5, 0.5])
    np.testing.assert_array_equal(found.answers, [6, 6])
    np.testing.assert_array_equal(ask(lambda shown: shown[:, 0] < shown[:, 1], pairs, answers=1).share, [1, 1])


def test_first_pairs_ask_of_each_alike_and_next_pairs_of_close_ones_that_were_asked_little() -> None:
    generator = np.random.default_rng(0)
    begin = first_pairs(10, 20, generator)
    assert len(np.unique(begin, axis=0)) == 20 and (begin[:, 0] < begin[:, 1]).all()
    assert np.ptp(np.bincount(first_pairs(10, 10, generator).ravel(), minlength=10)) == 0
    wants = Utilities(np.arange(10.0), np.ones(10))
    more = next_pairs(wants, np.array([[0, 1], [1, 2]]), 3, generator)
    assert (np.diff(more, axis=1) == 1).all() and not np.isin(more, [0, 1, 2]).all(axis=1).any()
    everything = np.stack(np.triu_indices(10, 1), axis=1)
    assert len(next_pairs(wants, everything, 3, generator)) == 0
    last = next_pairs(wants, everything[:-2], 5, generator)
    assert {tuple(pair) for pair in last} == {tuple(pair) for pair in everything[-2:]}


def test_fidelity_and_circles_by_hand() -> None:
    wants = Utilities(np.array([1.0, 0.0, -1.0]), np.full(3, 0.01))
    found = fidelity(wants, Choices(np.array([[0, 1], [1, 2], [0, 2]]), np.array([1.0, 0.0, 0.5]), np.ones(3)))
    assert found.accuracy == 0.5
    even = Utilities(np.zeros(2), np.ones(2))
    assert fidelity(even, Choices(np.array([[0, 1]]), np.ones(1), np.ones(1))).log_loss == pytest.approx(np.log(2))
    assert cyclic_share(np.full((5, 5), 0.5)) == pytest.approx(0.25)
    assert cyclic_share(np.triu(np.ones((5, 5)), 1)) == 0
    circle = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0.0]])
    assert cyclic_share(circle) == pytest.approx(1)


def test_faults_are_named() -> None:
    one = Choices(np.array([[0, 5]]), np.ones(1), np.ones(1))
    with pytest.raises(DataError, match="1 choices among 3 outcomes"):
        thurstonian(one, 3)
    with pytest.raises(SettingError, match="ridge=0"):
        thurstonian(one, 6, ridge=0.0)
    with pytest.raises(SettingError, match="expected from 1 to 3"):
        first_pairs(3, 4, np.random.default_rng(0))
    with pytest.raises(DataError, match="at least 3"):
        cyclic_share(np.full((2, 2), 0.5))


def test_asking_actively_ranks_better_than_asking_at_random() -> None:
    gains = []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        mean = generator.normal(size=30)
        table = scipy.special.ndtr((mean[:, None] - mean) / 0.4)

        def choose(pairs: np.ndarray, table=table, generator=generator) -> np.ndarray:
            return generator.random(len(pairs)) < table[pairs[:, 0], pairs[:, 1]]

        ranks = [
            elicit(choose, 30, pairs=60, per_round=15, active=active, seed=seed)[1].mean for active in (True, False)
        ]
        # Fails where the active pairs are replaced by random ones, which brings nothing.
        gains.append(np.corrcoef(ranks[0].argsort().argsort(), mean.argsort().argsort())[0, 1]
                     - np.corrcoef(ranks[1].argsort().argsort(), mean.argsort().argsort())[0, 1])  # fmt: skip
    assert np.mean(gains) > 0.01
