import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import SettingError, UnknownNameError
from pilothouse.worlds.point_maze import MAZES, SKIN, PointMaze

KEY = jax.random.key(0)
AT_REST = jnp.zeros(2)


def overlaps_wall(place: PointMaze, body) -> bool:
    """Whether the body's square shares an inner point with a wall cell."""
    x, y = np.asarray(body, np.float64)[:2]
    r = place.radius
    rows, columns = np.argwhere(place.walls).T
    return bool(((x + r > columns) & (x - r < columns + 1) & (y + r > rows) & (y - r < rows + 1)).any())


def walk(place: PointMaze, body, pushes):
    state = place.state_of(jnp.asarray(body), jnp.array([99.0, 99.0]))
    return jax.lax.scan(lambda s, a: (place.step(s, a, KEY)[0],) * 2, state, pushes)[1].body


@st.composite
def drawings(draw):
    width, height = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    cells = [[draw(st.sampled_from("..#")) for _ in range(width)] for _ in range(height)]
    cells[0][0] = cells[-1][-1] = "."
    border = "#" * (width + 2)
    return "\n".join([border, *("#" + "".join(row) + "#" for row in cells), border])


@settings(max_examples=25)
@given(maze=drawings(), seed=st.integers(0, 10**6), power=st.sampled_from([4.5, 40.0, 1000.0]))
def test_a_body_is_never_inside_a_wall(maze, seed, power):
    place = PointMaze(maze, power=power)
    key = jax.random.key(seed)
    state, _ = place.reset((), key)
    assert not overlaps_wall(place, state.body)
    # Pushes held for a while, so that the body leans on walls and slides into corners.
    pushes = jnp.repeat(jax.random.uniform(key, (12, 2), minval=-1, maxval=1) * 2, 8, axis=0)
    for body in walk(place, state.body, pushes):
        assert not overlaps_wall(place, body), body


@pytest.mark.parametrize("push", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_wall_stops_the_body_at_its_face(push):
    place = PointMaze("#####\n#...#\n#...#\n#...#\n#####")
    end = np.asarray(walk(place, [2.5, 2.5, 0.0, 0.0], jnp.tile(jnp.array(push, float), (40, 1)))[-1])
    face = 2.5 + np.array(push) * (1.5 - place.radius - SKIN)
    np.testing.assert_allclose(end[:2], face, atol=1e-5)
    np.testing.assert_array_equal(end[2:], [0, 0])


def test_a_body_slides_along_a_wall_and_through_a_gap():
    place = PointMaze("#####\n#...#\n###.#\n#...#\n#####", radius=0.3, jitter=0.1)
    right = walk(place, [1.5, 1.5, 0.0, 0.0], jnp.tile(jnp.array([1.0, 1.0]), (60, 1)))
    # Leaning down on the wall it goes right all the same, and falls through the gap at column 3 to the floor.
    np.testing.assert_allclose(right[-1, :2], [4 - 0.3, 4 - 0.3], atol=1e-3)


def test_free_motion_by_hand():
    # From rest, push (1, -0.5): velocity 0.1 * 4.5 * push = (0.45, -0.225), shift a tenth of it.
    place = PointMaze("open")
    state, outcome = place.step(place.state_of([3.5, 3.5, 0.0, 0.0], [1.5, 1.5]), jnp.array([1.0, -0.5]), KEY)
    np.testing.assert_allclose(state.body, [3.545, 3.4775, 0.45, -0.225], rtol=1e-6)
    np.testing.assert_allclose(outcome.next_obs, [3.545, 3.4775, 0.45, -0.225, 1.5, 1.5], rtol=1e-6)
    assert outcome.reward == 0 and not outcome.terminated


def test_speed_stays_below_power_over_drag():
    place = PointMaze("open")
    bodies = walk(place, [1.5, 2.5, 0.0, 0.0], jnp.tile(jnp.array([1.0, 0.0]), (11, 1)))
    assert (bodies[:, 2] < 3.0).all() and bodies[-1, 2] > 2


@pytest.mark.parametrize("maze", MAZES)
def test_start_and_goal_lie_in_two_different_open_cells(maze):
    place = PointMaze(maze)
    states, _ = jax.vmap(lambda key: place.reset((), key))(jax.random.split(KEY, 500))
    start, goal = np.floor(states.body[:, :2]).astype(int), np.floor(states.goal).astype(int)
    assert (start != goal).any(axis=1).all()
    assert not place.walls[start[:, 1], start[:, 0]].any() and not place.walls[goal[:, 1], goal[:, 0]].any()
    for drawn in (start, goal):
        assert len(np.unique(drawn, axis=0)) == (~place.walls).sum()  # every open cell has its turn


@pytest.mark.parametrize("maze", MAZES)
def test_every_open_cell_can_be_reached(maze):
    free = ~PointMaze(maze).walls
    seen = np.zeros_like(free)
    seen[tuple(np.argwhere(free)[0])] = True
    for _ in range(free.size):
        seen |= free & (np.roll(seen, 1, 0) | np.roll(seen, -1, 0) | np.roll(seen, 1, 1) | np.roll(seen, -1, 1))
    assert (seen == free).all()


def test_letters_say_where_to_start_and_where_to_go():
    place = PointMaze("######\n#S..G#\n######")
    state, _ = jax.vmap(lambda key: place.reset((), key))(jax.random.split(KEY, 50))
    assert (np.floor(state.body[:, 0]) == 1).all() and (np.floor(state.goal[:, 0]) == 4).all()
    only_goal = PointMaze("#####\n#..G#\n#####")
    state, _ = jax.vmap(lambda key: only_goal.reset((), key))(jax.random.split(KEY, 50))
    assert set(np.floor(state.body[:, 0]).tolist()) == {1, 2}


def test_a_task_gives_goal_start_and_constants():
    place = PointMaze("open")
    task = {"goal": jnp.array([2.5, 1.5]), "start": jnp.array([1.5, 1.5, 0.1, 0.0]), "power": 0.0}
    state, obs = place.reset(task, KEY)
    np.testing.assert_allclose(obs, [1.5, 1.5, 0.1, 0, 2.5, 1.5], rtol=1e-6)
    state, _ = place.step(state, jnp.ones(2), KEY)
    np.testing.assert_allclose(state.body[2:], [0.1 * 0.85, 0], atol=1e-6)  # only drag is left
    with pytest.raises(UnknownNameError, match="Did you mean 'power'"):
        place.reset({"powr": 1.0}, KEY)


def test_a_start_within_a_wall_moves_to_the_nearest_open_cell():
    place = PointMaze("umaze")
    for start, expected in (
        ([1.2, 2.2, 1, 1], [1.5, 1.5]),
        ([-5.0, 0, 0, 0], [1.5, 1.5]),
        ([3.5, 3.5, 1, 0], [3.5, 3.5]),
    ):
        state, _ = place.reset({"start": jnp.array(start, float)}, KEY)
        np.testing.assert_allclose(state.body[:2], expected)


def test_reaching_the_goal_terminates_and_pays():
    place = PointMaze("open")
    near = place.state_of([1.5, 1.5, 0.0, 0.0], [1.85, 1.5])
    state, outcome = place.step(near, jnp.array([1.0, 0.0]), KEY)  # 1.5 + 0.045 leaves 0.305: just outside
    assert not outcome.terminated and outcome.reward == 0
    _, outcome = place.step(state, jnp.array([1.0, 0.0]), KEY)
    assert outcome.terminated and outcome.reward == 1 and outcome.extra["success"] and not outcome.truncated
    assert bool(place.reached(outcome.next_obs[:2], outcome.next_obs[4:]))


def test_dense_reward_adds_the_distance_gained():
    dense, sparse = PointMaze("open", "dense"), PointMaze("open")
    state = dense.state_of([1.5, 1.5, 0.0, 0.0], [4.5, 1.5])
    _, towards = dense.step(state, jnp.array([1.0, 0.0]), KEY)
    _, away = dense.step(state, jnp.array([-1.0, 0.0]), KEY)
    np.testing.assert_allclose([towards.reward, away.reward], [0.045, -0.045], atol=1e-6)
    assert sparse.step(state, jnp.array([1.0, 0.0]), KEY)[1].reward == 0


@pytest.mark.parametrize(
    ("maze", "told"),
    [
        ("umaz", "Did you mean 'umaze'"),
        ("####\n#.#\n####", "differ in length"),
        ("####\n#..#\n##.#", "open at its border"),
        ("####\n#.x#\n####", "'x'"),
        ("###\n#.#\n###", "at least two open cells"),
    ],
)
def test_faulty_mazes_are_refused(maze, told):
    with pytest.raises((SettingError, UnknownNameError), match=told):
        PointMaze(maze)


def test_faulty_settings_are_refused():
    with pytest.raises(SettingError, match="'sparse' or 'dense'"):
        PointMaze(reward="both")
    with pytest.raises(SettingError, match="radius"):
        PointMaze(radius=0.4, jitter=0.2)
