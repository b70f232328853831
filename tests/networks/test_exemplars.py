"""The activation, the similarity, the distance and the region: by hand, and beside slow Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.networks.exemplars import (
    FAR,
    PLAIN,
    Calibration,
    Support,
    distances_by_label,
    reliable_region,
    rescaled_similarity,
    sdm,
)


def test_the_activation_by_hand_and_as_the_softmax():
    """Base 2 + 2 and half the magnitude: 4^(0.5 * 2) = 4 against 4^0 = 1, so 0.8 and 0.2."""
    known = sdm(jnp.array([2.0, 0.0]), jnp.array(2.0), jnp.array(0.5))
    np.testing.assert_allclose(4.0**known, [0.8, 0.2], rtol=1e-5)
    logits = jax.random.normal(jax.random.key(0), (5, 3))
    plain = sdm(logits, jnp.full(5, PLAIN), jnp.ones(5))
    np.testing.assert_allclose(plain, jax.nn.log_softmax(logits), atol=1e-6)
    far = (2.0 + 7.0) ** sdm(logits, jnp.full(5, 7.0), jnp.zeros(5))
    np.testing.assert_allclose(far, 1 / 3, rtol=1e-5)  # as far as can be: every choice is as likely


def test_more_similarity_and_less_distance_make_surer():
    sure = [float((2 + q) ** sdm(jnp.array([1.0, 0.0]), jnp.array(q), jnp.array(d)).max()) for q, d in
            ((0.0, 1.0), (5.0, 0.5), (5.0, 1.0), (50.0, 1.0))]  # fmt: skip
    assert sure == sorted(sure) and sure[0] == pytest.approx(2 / 3)


def test_similarity_counts_to_the_first_that_disagrees():
    """At 0: exemplars at 1, 2, 3, 4 are rightly called 0, the one at 2.5 is not, and the one at 0.5 is none."""
    support = Support(
        jnp.array([[1.0], [2.0], [3.0], [4.0], [2.5], [0.5]]),
        jnp.array([0, 0, 0, 0, 1, 1]),
        jnp.array([0, 0, 0, 0, 0, 1]),
        jnp.array([True, True, True, True, True, False]),
    )
    similarity, apart, nearest = support.look(jnp.array([0.0]), jnp.array(0))
    assert (float(similarity), float(apart), int(nearest)) == (2.0, 1.0, 0)
    assert float(support.look(jnp.array([0.0]), jnp.array(1))[0]) == 0.0
    similarity, apart, _ = support.look(jnp.array([1.0]), jnp.array(0), 0)  # an exemplar is not its own neighbour
    assert (float(similarity), float(apart)) == (1.0, 1.0)


def test_similarity_is_what_a_walk_over_the_neighbours_counts():
    draw = np.random.default_rng(0)
    vectors, label, said = draw.normal(size=(40, 3)), draw.integers(2, size=40), draw.integers(2, size=40)
    support = Support(*(jnp.asarray(x) for x in (vectors.astype(np.float32), label, said)), jnp.ones(40, bool))
    for query in draw.normal(size=(20, 3)).astype(np.float32):
        for choice in (0, 1):
            count = 0
            for i in np.argsort(((vectors - query) ** 2).sum(axis=1)):
                if not label[i] == said[i] == choice:
                    break
                count += 1
            assert int(support.look(jnp.asarray(query), jnp.array(choice))[0]) == count


def test_the_distance_is_the_least_share_that_lies_as_far():
    """Of label 0 all of 1, 2, 3, 4, of label 1 half of 2 and 6 lie at 2 or beyond: 3/4 and 2/2 at 2, 0/4 and 1/2 at 5."""
    apart, label = jnp.array([3.0, 1.0, 2.0, 4.0, 6.0, 2.0, 9.0]), jnp.array([0, 0, 0, 0, 1, 1, 1])
    known = Calibration(*distances_by_label(apart, label, apart < 9, 2), jnp.array(0.0), jnp.zeros(2))
    assert known.counts.tolist() == [4, 2]
    assert [float(known.distance(jnp.array(x))) for x in (0.5, 2.0, 5.0)] == [1.0, 0.75, 0.0]
    none = Calibration(*distances_by_label(apart, label, label == 0, 2), jnp.array(0.0), jnp.zeros(2))
    assert float(none.distance(jnp.array(0.5))) == 0.0  # nothing is known of label 1


def slow_region(probability, rescaled, label, real, level):
    """As the paper's algorithm has it: from the least rescaled similarity on, until all labels do."""
    kept = [i for i in range(len(label)) if real[i] and rescaled[i] >= 1]
    for least in sorted({float(rescaled[i]) for i in kept}):
        found = []
        for choice in range(probability.shape[1]):
            own = sorted(float(probability[i, choice]) for i in kept if label[i] == choice and rescaled[i] >= least)
            found.append(own[min(int(round((1 - level) * len(own), 6)), len(own) - 1)] if own else 0.0)
        if min(found) >= level:
            return least, found
    return FAR, [FAR] * probability.shape[1]


@pytest.mark.parametrize("level", [0.6, 0.9, 0.999])
def test_the_region_is_that_of_the_slow_search(level):
    region = jax.jit(reliable_region)
    for seed in range(5):
        draw = np.random.default_rng(seed)
        rescaled = draw.uniform(0, 20, 60).astype(np.float32)
        own = np.clip(draw.uniform(0.2, 1.0, 60) + rescaled / 40, 0, 1)
        probability = np.stack([own, 1 - own], axis=1).astype(np.float32)
        label = (draw.random(60) < 0.4).astype(np.int32)
        probability[label == 1] = probability[label == 1, ::-1]
        real = draw.random(60) < 0.9
        least, thresholds = region(probability, rescaled, label, real, level)
        wanted = slow_region(probability, rescaled, label, real, level)
        np.testing.assert_allclose(least, wanted[0], rtol=1e-6)
        np.testing.assert_allclose(thresholds, wanted[1], rtol=1e-6)


def test_rescaled_similarity_is_no_more_than_the_similarity():
    np.testing.assert_allclose(
        rescaled_similarity(jnp.array([0.0, 6.0, 6.0]), jnp.array([0.5, 0.5, 1.0])), [0, 8**0.5, 6]
    )
