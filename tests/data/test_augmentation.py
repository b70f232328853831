"""Pictures moved and mixed: against a slow twin, and by what must hold for every draw."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.data.augmentation import Overlaid, Shifted, overlaid, random_shift
from pilothouse.data.batches import Uniform

KEY = jax.random.key(0)


def test_a_shift_is_one_of_all_moves_with_edges_continued():
    """Every picture equals one cut out of itself, padded by its edges; over many draws all moves come, about equally."""
    picture = np.arange(4 * 5 * 2, dtype=np.uint8).reshape(4, 5, 2)
    moved = np.asarray(jax.jit(random_shift, static_argnums=1)(jnp.tile(jnp.asarray(picture), (900, 1, 1, 1)), 1, KEY))
    assert moved.dtype == np.uint8 and moved.shape == (900, 4, 5, 2)
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    cuts = [padded[i : i + 4, j : j + 5] for i in range(3) for j in range(3)]
    counts = [int((moved == cut).all(axis=(1, 2, 3)).sum()) for cut in cuts]
    assert sum(counts) == 900  # each is exactly one of the nine, both channels together
    assert min(counts) > 60 and max(counts) < 140  # 100 each on average, deviation 9.4


def test_a_mixture_keeps_half_of_what_was_there_and_hides_it_by_smooth_greys():
    pictures = jnp.zeros((40, 8, 8, 2), jnp.uint8).at[:, 3, 4].set(200)
    mixed = np.asarray(jax.jit(overlaid)(pictures, KEY))
    np.testing.assert_allclose(mixed[..., 0] - mixed[..., 1], 0)  # the same blotches on every frame
    assert mixed.min() >= 0 and mixed.max() <= 0.5 * 200 + 0.5 * 255
    np.testing.assert_allclose(mixed[:, :3].mean(), 0.5 * 127.5, rtol=0.1)
    assert (
        np.abs(np.diff(mixed[:, :2, :, 0], axis=2)).max() < 0.5 * 255 / 2 + 1e-3
    )  # a cell is two pixels: linear between
    np.testing.assert_allclose(jax.jit(lambda x: overlaid(x, KEY, share=0.0))(pictures), pictures)


def test_samplers_change_the_pictures_and_nothing_else():
    rows = Batch(
        obs=jax.random.randint(KEY, (6, 4, 4, 1), 0, 255).astype(jnp.uint8),
        next_obs=jnp.zeros((6, 4, 4, 1), jnp.uint8).at[:, 1:3, 1:3].set(9),
        reward=jnp.arange(6.0),
        terminated=jnp.zeros(6, bool),
    )
    plain = Uniform("data", 64, 0.9)

    def drawn(sampler):
        def run(key):
            ticket = jax.tree.map(lambda x: x[0], sampler.plan({"data": rows}, key, 1))
            return sampler.take({"data": rows}, ticket, key)[0]

        return jax.jit(run)(KEY)

    before, after = drawn(plain), drawn(Overlaid(Shifted(plain, 1)))
    np.testing.assert_array_equal(before.reward, after.reward)
    np.testing.assert_array_equal(before.discount, after.discount)
    assert after.mixed.shape == after.obs.shape and after.obs.dtype == jnp.uint8
    assert (np.asarray(after.next_obs).sum(axis=(1, 2, 3)) == 36).all()  # a square that stays within
    places = [tuple(np.argwhere(np.asarray(each)[..., 0]).min(axis=0)) for each in after.next_obs]
    assert set(places) == {(i, j) for i in range(3) for j in range(3)}
    found = [  # where the move of obs equals that of next_obs: about one in nine, for each has its own
        np.array_equal(
            np.asarray(now),
            np.pad(np.asarray(old), ((1, 1), (1, 1), (0, 0)), mode="edge")[2 - i : 6 - i, 2 - j : 6 - j],
        )
        for now, old, (i, j) in zip(after.obs, before.obs, places, strict=True)
    ]
    assert 0 < sum(found) < 20
