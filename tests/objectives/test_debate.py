"""Debates: a game by hand, backward induction against a search of all lines, and what the judge is shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError
from pilothouse.objectives.debate import Debate, judging, outcomes, shown


def searched(game: Debate, margin: dict, so_far: frozenset = frozenset()) -> float:
    """The game's value by plain recursion."""
    if len(so_far) == 2 * game.each:
        return margin[so_far]
    free = [f for f in range(game.features) if f not in so_far]
    after = [searched(game, margin, so_far | {f}) for f in free]
    return max(after) if len(so_far) % 2 == 0 else min(after)


def by_set(game: Debate, margin: np.ndarray) -> dict:
    return {frozenset(np.flatnonzero(e)): m for e, m in zip(game.evidence, margin, strict=True)}


def test_a_debate_about_three_features_by_hand() -> None:
    # Sets {0,1}, {0,2}, {1,2} are worth 3, 1, 2. Revealing 0 first leaves min(3, 1) = 1, 1 leaves min(3, 2) = 2, and
    # 2 leaves min(1, 2) = 1.
    game = Debate(3, 1)
    np.testing.assert_array_equal(game.evidence, [[1, 1, 0], [1, 0, 1], [0, 1, 1]])
    margin = np.array([3.0, 1.0, 2.0])
    assert float(game.value(jnp.asarray(margin))) == 2.0


@pytest.mark.parametrize(("features", "each"), [(4, 1), (5, 2)])
def test_backward_induction_is_the_search_of_all_lines(features: int, each: int) -> None:
    game, draws = Debate(features, each), np.random.default_rng(features)
    margins = draws.normal(size=(len(game.evidence), 5))
    found = game.value(jnp.asarray(margins))
    for column, value in zip(margins.T, found, strict=True):
        assert searched(game, by_set(game, column)) == pytest.approx(float(value), rel=1e-6)


def test_the_side_that_begins_wants_a_large_margin() -> None:
    game, margin = Debate(4, 1), jnp.asarray(np.random.default_rng(1).normal(size=6))
    assert float(margin.min()) <= float(game.value(margin)) <= float(margin.max())
    assert float(game.value(margin + 1.0)) == pytest.approx(float(game.value(margin)) + 1.0, rel=1e-6)


def test_a_judge_sees_what_was_revealed_and_that_it_was() -> None:
    seen = shown(jnp.array([2.0, 0.0, -1.0]), jnp.array([True, True, False]))
    np.testing.assert_array_equal(seen, [2, 0, 0, 1, 1, 0])


def test_more_evidence_than_there_is_is_refused() -> None:
    with pytest.raises(SettingError, match="at most 2"):
        Debate(4, 3)
    with pytest.raises(SettingError, match="27405 final positions"):
        Debate(30, 2)


def test_the_opponent_picks_evidence_too() -> None:
    # Three features, one each. The judge leans to action 0 by 4, 1 and -3 for features 0, 1 and 2: the first side shows
    # 0 and the other 2, so 4 - 3 = 1. A side that showed all it liked, 0 and 1, would come to 5.
    game = Debate(3, 1)

    def lean(seen):
        return jnp.array([seen[:3] @ jnp.array([4.0, 1.0, -3.0]), 0.0])

    found = outcomes(game, lean, jnp.ones((1, 3)), jnp.array([0]))
    np.testing.assert_allclose(found, np.tanh([0.5]), rtol=1e-6)


def test_the_judge_learns_from_what_was_done() -> None:
    # Scores of 0 for all actions: every margin is 0 and the loss log 2. Raising the score of what was done lowers it.
    rows = Batch(obs=jnp.ones((4, 2)), action=jnp.array([0, 1, 1, 0]))
    loss = judging(Debate(2, 1), 2)
    even, _ = loss({"judge": lambda seen: jnp.zeros(2)}, rows, jax.random.key(0))
    np.testing.assert_allclose(even, np.log(2), rtol=1e-6)
    first, _ = loss(
        {"judge": lambda seen: jnp.array([1.0, 0.0])}, rows.replace(action=jnp.zeros(4, int)), jax.random.key(0)
    )
    np.testing.assert_allclose(first, np.log1p(np.exp(-1.0)), rtol=1e-6)
