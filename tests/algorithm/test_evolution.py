"""Evolution strategies: the slope of mirrored scores, and a part that climbs without a gradient."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.evolution import cross_entropy, evolution_state, evolve, search_from, slope_of_scores


def test_the_slope_of_two_mirrored_pairs_by_hand() -> None:
    # ((3 - 1) * (1, 0) + (0 - 4) * (0, 2)) / (2 * 0.5 * 2) = (2, -8) / 2 = (1, -4)
    noise = jnp.array([[1.0, 0.0], [0.0, 2.0]])
    found = slope_of_scores(noise, jnp.array([3.0, 0.0]), jnp.array([1.0, 4.0]), 0.5)
    np.testing.assert_allclose(found, [1.0, -4.0])


def test_the_slope_of_a_linear_score_is_its_own_on_average() -> None:
    noise, slope = jax.random.normal(jax.random.key(0), (20_000, 3)), jnp.array([2.0, -1.0, 0.5])
    above, below = (jnp.array([1.0, 1.0, 1.0]) + sign * 0.1 * noise for sign in (1, -1))
    np.testing.assert_allclose(slope_of_scores(noise, above @ slope, below @ slope, 0.1), slope, atol=0.06)


def test_a_part_climbs_to_where_the_score_is_highest() -> None:
    top = jnp.array([0.5, -1.0])

    def make(key):
        return {"at": jnp.zeros(2)}

    def live(parts, one, key):
        return -jnp.sum((one["at"] - top) ** 2), {"was": one["at"]}

    rule = evolve("part", live, keeps=("was",), pairs=8, sigma=0.1, lr=0.05)
    parts = {"part": make(None), "part/moments": evolution_state(make, 0.05)(jax.random.key(0))}
    step = jax.jit(lambda parts, key: rule.change(parts, None, {}, key))
    for key in jax.random.split(jax.random.key(1), 100):
        before, parts = parts, dict(step(parts, key))
        np.testing.assert_allclose(parts["was"], before["part"]["at"], atol=1e-6)
    np.testing.assert_allclose(parts["part"]["at"], top, atol=0.15)


def test_a_cross_entropy_generation_by_hand() -> None:
    # The two best of four are (4, 0) and (0, 2): the centre is (2, 1), and the best of all is (4, 0) with 7.
    first = search_from(2, 4)(jax.random.key(0))
    found = jnp.array([[0.0, 2.0], [9.0, 9.0], [4.0, 0.0], [-9.0, 9.0]])
    parts = {"search": replace(first, candidates=found), "scores": jnp.array([5.0, 1.0, 7.0, 0.0])}
    rule = cross_entropy("search", lambda parts: parts["scores"], elite=2, sigma=0.0)
    after = rule.change(parts, None, {}, jax.random.key(1))["search"]
    np.testing.assert_allclose(after.best, [4.0, 0.0])
    assert after.score == 7.0
    np.testing.assert_allclose(after.candidates, jnp.tile(jnp.array([2.0, 1.0]), (4, 1)))
    # A worse generation moves the centre and leaves the best.
    parts = {"search": after, "scores": jnp.array([1.0, 2.0, 3.0, 4.0])}
    worse = rule.change(parts, None, {}, jax.random.key(2))["search"]
    np.testing.assert_allclose(worse.best, [4.0, 0.0])
    assert worse.score == 7.0


def test_a_cross_entropy_search_comes_to_the_top() -> None:
    top = jnp.array([0.5, -1.0])
    parts = {"search": search_from(2, 40)(jax.random.key(0))}

    def scores(parts):
        return -jnp.sum((parts["search"].candidates - top) ** 2, axis=1)

    rule = cross_entropy("search", scores, elite=4, sigma=0.2)
    for key in jax.random.split(jax.random.key(1), 30):
        parts = dict(rule.change(parts, None, {}, key))
    np.testing.assert_allclose(parts["search"].candidates.mean(axis=0), top, atol=0.15)
    np.testing.assert_allclose(parts["search"].best, top, atol=0.1)
