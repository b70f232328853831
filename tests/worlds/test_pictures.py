"""Worlds seen as pictures: pixels by hand, and every scene against the same one drawn with plain NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError, SpaceError, UnknownNameError
from pilothouse.core.spaces import Box
from pilothouse.worlds import drawing, pictures
from pilothouse.worlds.acrobot import Acrobot
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.mountain_car_continuous import MountainCarContinuous
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.pictures import Pictures, Stroke
from pilothouse.worlds.point_maze import PointMaze
from pilothouse.worlds.registry import world
from pilothouse.worlds.wrappers import frame_stack

KEY = jax.random.key(0)
SIZE = 24


@functools.partial(jax.jit, static_argnums=0)
def looks(place, state):
    return Pictures(place, SIZE)._shown(pictures.Pictured(state, jnp.zeros((SIZE, SIZE))), None, KEY)[..., 0]


def shown(place, *state) -> np.ndarray:
    """What a world in this state shows, on a plain backdrop."""
    return np.asarray(looks(place, place.state_of(*map(jnp.array, state))))


def drawn(*strokes: tuple) -> np.ndarray:
    """Capsules (start, end, radius, level), in sides, drawn by the host's tools one over the other."""
    image = drawing.blank(SIZE, SIZE, (0, 0, 0))
    for start, end, radius, level in strokes:
        grey = round(255 * level)
        drawing.capsule(image, SIZE * np.asarray(start), SIZE * np.asarray(end), SIZE * radius, (grey, grey, grey))
    return image[..., 0]


def assert_alike(ours: np.ndarray, other: np.ndarray) -> None:
    """Within what rounding after every stroke can do; and there is something to be seen."""
    assert np.abs(ours.astype(int) - other.astype(int)).max() <= 2 and ours.max() > 250


def test_pixels_of_a_disc_and_a_line_by_hand():
    # Ten pixels a side. A disc of radius 1.2 around (5, 5): the four pixels whose middles are 0.7071 away are covered
    # by 1.2 - 0.7071 + 0.5 = 0.9929; those 1.5811 away by 0.1189; nothing is further in.
    paint = jax.jit(pictures.painted)
    disc = np.asarray(paint(jnp.zeros((10, 10)), Stroke((0.5, 0.5), (0.5, 0.5), 0.12, 1.0)))
    np.testing.assert_allclose(disc[4:6, 4:6], 0.9929, atol=1e-4)
    np.testing.assert_allclose(disc[[4, 5, 3, 6], [3, 6, 5, 4]], 0.1189, atol=1e-4)
    assert float(disc.sum()) == pytest.approx(4 * 0.99289 + 8 * 0.11886, abs=1e-3)
    # A level line from (2, 3) to (6, 3), radius 0.8, at half brightness over a grey of 0.2: rows 2 and 3 are half a pixel
    # away, covered by 0.8: 0.2 * 0.2 + 0.5 * 0.8 = 0.44. x runs right: columns 2 to 5, not rows.
    line = np.asarray(paint(jnp.full((10, 10), 0.2), Stroke((0.2, 0.3), (0.6, 0.3), 0.08, 0.5)))
    np.testing.assert_allclose(line[2:4, 2:6], 0.44, rtol=1e-5)
    np.testing.assert_allclose(line[[1, 4]], 0.2, rtol=1e-5)
    np.testing.assert_array_equal(pictures.in_bytes(jnp.array([[0.0, 0.5], [0.44, 1.0]])), [[0, 128], [112, 255]])


def test_tiles_share_the_pixels_that_they_cut():
    # Three cells on eight pixels: 8/3 pixels each. The middle one covers 2.667 to 5.333: a third of pixel 2, all of 3, 4.
    row = pictures.tiled(jnp.zeros((8, 8)), np.array([[False, True, False]] * 3), 0.6)
    np.testing.assert_allclose(row[0], np.array([0, 0, 1 / 3, 1, 1, 1 / 3, 0, 0]) * 0.6, atol=1e-6)
    corner = pictures.tiled(
        jnp.ones((8, 8)), np.array([[True, False]]), 0.0
    )  # one cell of four pixels, at the left above
    np.testing.assert_array_equal(corner[:4, :4], 0)
    assert float(corner.sum()) == 64 - 16


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0])
def test_a_pendulum_points_where_its_angle_does(angle):
    place = Pendulum()
    tip = (0.5 + 0.38 * np.sin(angle), 0.5 - 0.38 * np.cos(angle))
    assert_alike(shown(place, [angle, 3.0]), drawn(((0.5, 0.5), tip, 0.08, 1.0)))


def test_a_cart_stands_where_it_is_and_its_pole_leans():
    place, x, angle = CartPole(), 0.9, -0.2
    middle = 0.5 + x / (2.4 * 2.4)
    cart = ((middle - 0.1, 0.8), (middle + 0.1, 0.8), 0.06, 0.6)
    pole = ((middle, 0.8), (middle + 0.6 * np.sin(angle), 0.8 - 0.6 * np.cos(angle)), 0.05, 1.0)
    assert_alike(shown(place, [x, 1.0, angle, 1.0]), drawn(cart, pole))


def test_a_car_is_on_its_hill():
    place, x = MountainCarContinuous(), -0.2

    def at(x):
        return np.array([(x + 1.2) / 1.8, 0.55 - 0.3 * np.sin(3 * x)])

    places = np.linspace(-1.2, 0.6, 9)
    road = [(at(a), at(b), 0.03, 0.3) for a, b in zip(places[:-1], places[1:], strict=True)]
    car = at(x) - (0, 0.08)
    flag = (at(0.45), at(0.45) - (0, 0.15), 0.03, 0.6)
    assert_alike(shown(place, [x, 0.0]), drawn(*road, flag, (car, car, 0.08, 1.0)))


def test_a_maze_is_seen_from_above():
    place = PointMaze()  # five by five cells on 24 pixels: walls are drawn as boxes of 4.8 pixels
    image = drawing.blank(SIZE, SIZE, (0, 0, 0))
    fine = np.kron(place.walls, np.ones((24, 24)))  # 120 by 120: five fine dots to a pixel
    image[:] = np.round(255 * 0.3 * fine.reshape(24, 5, 24, 5).mean(axis=(1, 3)))[..., None]
    for centre, radius, level in (((3.5, 3.5), 0.35, 0.6), ((1.5, 1.4), 0.3, 1.0)):
        grey = round(255 * level)
        drawing.disc(image, np.asarray(centre) * 4.8, radius * 4.8, (grey, grey, grey))
    assert_alike(shown(place, [1.5, 1.4, 0.0, 0.0], [3.5, 3.5]), image[..., 0])


def test_what_happens_is_what_happens_unseen_and_the_state_may_stand_beside():
    place = Pendulum(horizon=3)
    around = Pictures(place, 8, "waves", beside=True)
    inner, first = place.reset((), KEY)
    state, obs = around.reset((), KEY)
    np.testing.assert_array_equal(obs["state"], first)
    behind = state.backdrop
    live, seen = jax.jit(place.step), jax.jit(around.step)
    for _ in range(3):
        inner, wanted = live(inner, jnp.array([0.5]), KEY)
        state, outcome = seen(state, jnp.array([0.5]), KEY)
        np.testing.assert_allclose(outcome.next_obs["state"], wanted.next_obs, rtol=1e-5)
        assert outcome.next_obs["picture"].dtype == jnp.uint8 and outcome.reward == pytest.approx(float(wanted.reward))
    assert outcome.truncated and around.horizon == 3 and around.observation_names is None
    np.testing.assert_array_equal(state.backdrop, behind)  # one episode, one backdrop
    assert Pictures(place, 8).spec.obs == Box((8, 8, 1), 0, 255, "uint8") and Pictures(place, 8).spec.obs.is_image
    assert (around.render(state) == place.render(inner)).mean() > 0.99


def test_backdrops_distract_as_they_say():
    keys = jax.random.split(KEY, 3)

    @jax.jit
    def watched(key):
        found = {}
        for name in pictures.BACKDROPS:
            around = Pictures(Pendulum(), 8, name, 0.5)
            state, first = around.reset((), key)
            again = around.step(state, jnp.zeros(1), jax.random.fold_in(key, 1))[1].next_obs
            found[name] = jnp.stack([first, again])[..., 0]
        return found

    seen = {name: np.asarray(rows, int) for name, rows in jax.vmap(watched)(keys).items()}
    corner = {name: rows[:, :, 0, :2] for name, rows in seen.items()}  # where no rod comes
    assert not corner["plain"].any()
    assert (np.ptp(corner["shade"], axis=(1, 2)) == 0).all() and len(np.unique(corner["shade"])) == 3
    assert (corner["waves"][:, 0] == corner["waves"][:, 1]).all() and len(np.unique(corner["waves"])) > 3
    assert (corner["snow"][:, 0] != corner["snow"][:, 1]).any(axis=-1).all()
    assert all(rows.max() <= 128 for rows in corner.values())  # half of white, as strength says
    assert all(rows[:, 0].max() > 240 for rows in seen.values())  # the rod covers them all


def test_named_worlds_show_a_few_pictures_and_learn_no_more():
    place = world("point-maze-pictures", side=8, frames=2, maze="open", backdrop="shade")
    assert place.spec.obs == Box((8, 8, 2), 0, 255, "uint8") and place.spec.action == Box((2,), -1.0, 1.0)
    assert place == frame_stack(Pictures(PointMaze(maze="open"), 8, "shade"), 2)


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: Pictures(Acrobot()), SpaceError, "Acrobot has no scene"),
        (lambda: Pictures(Pendulum(), backdrop="wave"), UnknownNameError, "Did you mean 'waves'"),
        (lambda: Pictures(Pendulum(), 4), SettingError, "at least 8"),
        (lambda: Pictures(Pendulum(), strength=2.0), SettingError, "a share of 1"),
    ],
)
def test_faults_are_told(make, error, told):
    with pytest.raises(error, match=told):
        make()
