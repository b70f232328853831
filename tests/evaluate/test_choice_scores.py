"""Scores of choices by hand, correlations against SciPy's, and counting models that come to know their language."""

import numpy as np
import pytest
import scipy.stats

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.choice_scores import (
    STEPS,
    ChoiceQuestion,
    correlations_with_scale,
    scores_of,
    scores_over_scale,
    survival,
)
from pilothouse.evaluate.scripted_language import WORDS, CountingModel, choice_questions, language, text


def test_scores_by_hand() -> None:
    said = scores_of(np.log([[0.1, 0.3, 0.1], [0.2, 0.2, 0.1]]), np.array([1, 0]))
    np.testing.assert_allclose(said["log p vocab"], np.log([0.3, 0.2]))
    np.testing.assert_allclose(said["p vocab"], [0.3, 0.2])
    np.testing.assert_allclose(said["p choices"], [0.6, 0.4])
    # (0.2² + 0.4² + 0.2²) and (0.6² + 0.4² + 0.2²), turned round.
    np.testing.assert_allclose(said["brier"], [-0.24, -0.56])
    np.testing.assert_allclose(said["accuracy"], [1, 0.5])
    assert tuple(said) == STEPS


def test_among_all_texts_the_share_is_the_probability() -> None:
    known = np.log(np.random.default_rng(0).dirichlet(np.ones(6), 5))
    said = scores_of(known, np.arange(5))
    np.testing.assert_allclose(said["p choices"], said["p vocab"])


def test_correlations_are_scipys_and_a_constant_counts_nought() -> None:
    draw = np.random.default_rng(1)
    compute, scores = 10.0 ** np.arange(6), draw.normal(size=(6, 4)).round(1)
    scores[:, 3] = 0.5
    for ranks, theirs in ((True, scipy.stats.spearmanr), (False, scipy.stats.pearsonr)):
        found = correlations_with_scale(compute, scores, ranks=ranks)
        for column in range(3):
            expected = theirs(np.log(compute), scores[:, column])[0]
            assert found[column] == pytest.approx(expected)
        assert found[3] == 0
    assert survival(np.array([0.2, 0.8, 0.75, 1.0]), 0.75) == 0.5


def test_models_are_taken_by_their_compute() -> None:
    questions = [ChoiceQuestion("", ("a", "b"), 0)]
    family = {100.0: lambda _: np.log([[0.6, 0.2]]), 10.0: lambda _: np.log([[0.1, 0.3]])}
    np.testing.assert_allclose(scores_over_scale(family, questions)["p choices"], [[0.25], [0.75]])
    with pytest.raises(SettingError, match=r"compute 1 gave \(2, 1\)"):
        scores_over_scale({1.0: lambda _: np.zeros((2, 1))}, questions)


def test_counting_models_are_distributions_and_learn_the_language() -> None:
    draw = np.random.default_rng(0)
    chances = language(draw)
    np.testing.assert_allclose(chances.sum(axis=-1), 1)
    small, large = (CountingModel(text(chances, size, draw)) for size in (300, 100_000))
    np.testing.assert_allclose(small.after_two.sum(axis=-1), 1)
    apart = [np.abs(model.after_two - chances).sum(axis=-1).mean() for model in (small, large)]
    assert apart[1] < apart[0] / 2
    # Two threads `0 1 2` and `0 1 3`, trust 5: of two words (1 + 5 q) / 7, of one q = (1 + 5 r) / 7, of none r.
    counted = CountingModel(np.array([[0, 1, 2], [0, 1, 3]]))
    alone = (1 + 5 / WORDS) / 7
    assert counted.after_two[0, 1, 2] == pytest.approx((1 + 5 * (1 + 5 * alone) / 7) / 7)


def test_the_right_choice_is_the_likeliest_and_plausible_ones_are_next() -> None:
    draw = np.random.default_rng(2)
    chances = language(draw)
    for plausible in (True, False):
        for one in choice_questions(chances, 20, draw, plausible=plausible):
            first, second = (int(word) for word in one.prompt.split())
            order = np.argsort(-chances[first, second]).tolist()
            places = sorted(order.index(int(word)) for word in one.choices)
            assert int(one.choices[one.correct]) == order[0]
            assert places == [0, 1, 2, 3] if plausible else min(places[1:]) >= WORDS // 2


def test_what_is_no_likelihood_is_refused() -> None:
    with pytest.raises(DataError, match="none above 0"):
        scores_of(np.array([[0.2, -1.0]]), np.array([0]))
    with pytest.raises(DataError, match="none above 0"):
        scores_of(np.array([[-0.2, -1.0]]), np.array([2]))
    with pytest.raises(DataError, match="three or more"):
        correlations_with_scale([1.0, 2.0], np.zeros((2, 3)))
