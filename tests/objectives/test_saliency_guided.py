"""SGQN's two losses by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.pictures import Through
from pilothouse.objectives.saliency_guided import attribution, filled, saliency_consistent_td, salient, tell_saliency

KEY = jax.random.key(3)
WEIGHTS = jnp.array([[[4.0, -1.0], [0.5, 0.0]], [[0.0, 1.0], [0.25, 8.0]]])[..., None].transpose(0, 1, 3, 2)
"""Of two actions' values, (2, 2, 1, 2): linear in the four pixels of one grey frame."""


class Last:
    """The bias that says how many choices there are."""

    bias = jnp.zeros(2)


class Head:
    layers = (Last(),)

    def __call__(self, features):
        return features


def critic():
    return Through(lambda pixels: jnp.einsum("hwc,hwca->a", pixels.astype(jnp.float32), WEIGHTS), Head())


def batch(**more):
    obs = jnp.array([[[1, 2], [3, 4]]], jnp.uint8)[..., None]
    return Batch(
        obs=obs, action=jnp.array([1]), reward=jnp.array([0.5]), next_obs=jnp.zeros_like(obs),
        discount=jnp.array([0.9]), **more,
    )  # fmt: skip


def test_the_salient_pixels_are_the_largest_of_their_frame_by_size():
    size = jnp.array([[1.0, -9.0, 3.0], [4.0, 0.0, 2.0]])
    both = jnp.stack([size, -size[::-1]], axis=-1)[None]  # two frames
    mask = salient(both, 0.7)  # the 0.7 quantile of 0, 1, 2, 3, 4, 9 is 3.5: two are at or above
    np.testing.assert_array_equal(mask[0, ..., 0], [[False, True, False], [True, False, False]])
    np.testing.assert_array_equal(mask[0, ..., 1], [[True, False, False], [False, True, False]])


def test_what_is_not_salient_becomes_one_grey_within_the_batch():
    obs = jnp.array([[10, 20], [30, 40]], jnp.uint8)
    seen = np.asarray(filled(obs, jnp.array([[True, False], [False, True]]), KEY))
    assert seen[0, 0] == 10 and seen[1, 1] == 40 and seen[0, 1] == seen[1, 0] and 10 <= seen[0, 1] <= 40


def test_the_loss_is_that_of_deep_q_learning_and_the_change_under_the_mask():
    parts, rows = {"critic": critic(), "critic/slow": critic()}, batch()
    np.testing.assert_allclose(attribution(parts["critic"], rows.obs, rows.action)[0, ..., 0], [[-1, 0], [1, 8]])
    # Q(s, 1) = -1 + 0 + 3 + 32 = 34; the target 0.5 + 0.9 * 0: Huber 33.5 - 0.5 = 33.
    plain, _ = saliency_consistent_td(0.9, 0.0)(parts, rows, KEY)
    assert float(plain) == pytest.approx(33.0)
    # Sizes 1, 0, 1, 8: only the last pixel (4) is at or above the 0.9 quantile. The rest are a grey g in [1, 4]:
    # Q = -g + 0 + g + 32 = 32, so the change is 2, its square 4.
    loss, about = saliency_consistent_td(0.9, 0.25)(parts, rows, KEY)
    assert float(about["critic/masked_change"]) == pytest.approx(4.0, rel=1e-5)
    assert float(loss) == pytest.approx(33.0 + 0.25 * 4.0, rel=1e-5)
    # With every pixel salient nothing changes; the grey is drawn by its name.
    assert float(saliency_consistent_td(0.0, 9.0)(parts, rows, KEY)[0]) == pytest.approx(33.0)
    masked = filled(rows.obs, jnp.zeros(rows.obs.shape, bool), named(KEY, "grey"))
    assert 1 <= float(masked[0, 0, 0, 0]) <= 4


def test_telling_is_judged_pixel_by_pixel_from_the_mixed_picture():
    rows = batch(mixed=jnp.full((1, 2, 2, 1), 2.0))

    def teller(given):
        return jnp.array([0.0, 0.0, 2.0, -1.0]) + 0 * given.sum()

    loss, _ = tell_saliency(0.9)({"critic": critic(), "saliency": teller}, rows, KEY)
    # Only the last of four is salient, and said to be so with a logit of -1: log(1 + e).
    wanted = (2 * np.log(2) + np.log1p(np.exp(2.0)) + np.log1p(np.exp(1.0))) / 4
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def test_telling_reads_the_mixed_pictures_features_and_the_action():
    def teller(features):
        return jnp.tile(features @ jnp.array([1.0, 10.0, 100.0, 1000.0]), 4)

    rows = batch(mixed=jnp.full((1, 2, 2, 1), 0.001))
    # Features of the mixed picture: 0.001 * (4.75, 8); action 1: (0, 1). The logit is 1000.08475 everywhere.
    loss, _ = tell_saliency(0.9)({"critic": critic(), "saliency": teller}, rows, KEY)
    assert float(loss) == pytest.approx(3 * 1000.08475 / 4, rel=1e-5)
