"""The fish as it was designed: its neurons by hand, and that each means what it is called."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.networks.robot_fish import RobotFish, robot_fish, selective, threshold


@pytest.fixture(scope="module")
def fish() -> RobotFish:
    return robot_fish(jax.random.key(0))


def test_activations_by_hand() -> None:
    np.testing.assert_allclose(selective(jnp.array([0.0, 0.01, -0.5])), [1.0, 0.5, 1e-4 / 0.2501], rtol=1e-4)
    np.testing.assert_allclose(threshold(jnp.array([0.2, 0.0, -0.2])), [np.tanh(1.0), 0.0, np.tanh(-0.01)], rtol=1e-5)


def test_concepts_are_what_they_are_called(fish) -> None:
    # food here; food on one of the two tiles ahead; energy
    for tiles, wanted in (((1, 0, 0), (1, 0)), ((0, 1, 0), (0, 1)), ((0, 0, 1), (0, 1)), ((0, 0, 0), (0, 0))):
        seen = fish.concepts(jnp.array([*(0.5 * x for x in tiles), 0.7]))
        np.testing.assert_allclose(seen, [*wanted, 0.7], atol=1e-3)


def test_it_eats_what_is_here_when_hungry_and_else_moves(fish) -> None:
    acts = {
        case: int(fish(jnp.array(case)).mode())
        for case in ((0.5, 0.0, 0.0, 0.2), (0.5, 0.0, 0.0, 0.9), (0.0, 0.5, 0.0, 0.2))
    }
    assert list(acts.values()) == [0, 1, 1]


def test_its_verdict_by_hand(fish) -> None:
    # Food here, energy 0: eat 1, move 0.001, so it eats with p = 0.7308. Judgements: 1 + p, 1 - p, -1 + (1 - p).
    p = 1 / (1 + np.exp(-0.999))
    judged = np.exp([1 + p, 1 - p, -p])
    judged = np.asarray(threshold(jnp.asarray(judged / judged.sum() - 0.5)))
    right = judged.sum()
    wrong = 1e-3 * right + 0.4
    expected = np.exp([right, wrong]) / np.exp([right, wrong]).sum()
    said = fish.self_reward(jnp.array([0.5, 0.0, 0.0, 0.0]))
    np.testing.assert_allclose(said, expected, atol=2e-3)
    assert said[0] > said[1] > 0
    # Full, with food here: it moves on, and finds that less right.
    assert said[0] > fish.self_reward(jnp.array([0.5, 0.0, 0.0, 1.0]))[0]


def test_it_has_39_numbers_and_says_them(fish) -> None:
    assert sum(x.size for x in jax.tree.leaves(fish)) == 39
    lines = fish.in_words()
    assert "food here: +1.00 tile here -0.50" in lines and "eat: +1.00 food here -1.00 full" in lines
    assert len(lines) == 2 + 2 + 3 + 2
