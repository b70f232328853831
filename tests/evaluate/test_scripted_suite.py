"""The planner of the point maze and the driver of the mountain car: ways by hand, and that they do what they are for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.evaluate.scripted_suite import MazePlanner, Rocking, near_tasks, open_cells, ways
from pilothouse.rollout.episodes import traced_episodes
from pilothouse.worlds.mountain_car_continuous import SparseMountainCar
from pilothouse.worlds.point_maze import PointMaze

KEY = jax.random.key(0)


def test_ways_by_hand():
    # ###### The open cells are 0 1 2 in the upper row and 3 at its end's right, 4 below 0: 4-0-1-2-3.
    maze = PointMaze(maze="######\n#....#\n#.####\n######")
    assert open_cells(maze).tolist() == [[1, 1], [2, 1], [3, 1], [4, 1], [1, 2]]
    after, length = ways(maze)
    assert length[4].tolist() == [1, 2, 3, 4, 0] and length[3].tolist() == [3, 2, 1, 0, 4]
    assert after[4].tolist() == [0, 0, 0, 0, 4] and after[1].tolist() == [0, 1, 2, 2, 0]


@pytest.mark.parametrize("name", ["umaze", "medium"])
def test_every_step_of_a_way_is_a_neighbour_and_brings_nearer_by_one(name):
    maze = PointMaze(maze=name)
    cells, (after, length) = open_cells(maze), ways(maze)
    np.testing.assert_array_equal(length, length.T)
    for goal in range(len(cells)):
        for cell in range(len(cells)):
            step = after[cell, goal]
            assert np.abs(cells[cell] - cells[step]).sum() == (cell != goal)
            assert length[step, goal] == max(length[cell, goal] - 1, 0)


def test_what_no_way_leads_to_is_said():
    after, length = ways(PointMaze(maze="#####\n#.#.#\n#####"))
    assert length.tolist() == [[0, -1], [-1, 0]] and after.tolist() == [[0, 0], [1, 1]]


def test_tasks_are_near_and_no_farther():
    maze = PointMaze()
    tasks = jax.vmap(near_tasks(maze, 2))(jax.random.split(KEY, 200))
    cells = open_cells(maze)
    number = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    starts = [number[tuple(place)] for place in np.floor(np.asarray(tasks["start"][:, :2])).astype(int).tolist()]
    goals = [number[tuple(place)] for place in np.floor(np.asarray(tasks["goal"])).astype(int).tolist()]
    assert set(ways(maze)[1][starts, goals].tolist()) == {1, 2}
    assert (tasks["start"][:, 2:] == 0).all()


def test_the_planner_comes_to_every_goal_and_one_that_wanders_does_not_look_for_it():
    maze = PointMaze(horizon=80)
    run = jax.jit(lambda policy: traced_episodes(policy, maze, KEY, episodes=32, longest=80))
    direct, noisy = run(MazePlanner(maze, 0.0)), run(MazePlanner(maze, 0.5))
    assert (direct.returns == 1).all() and noisy.returns.mean() > 0.9
    wandering = run(MazePlanner(maze, 0.5, wander=True))
    assert wandering.lengths.mean() > 2 * noisy.lengths.mean()
    # It changes its mind when it has come where it was going, and not before.
    policy, obs = MazePlanner(maze, 0.0, wander=True), jnp.array([1.5, 1.5, 0.0, 0.0, 3.5, 3.5])
    assert policy(obs, jnp.int32(5), KEY)[1] == 5
    assert {int(policy(obs, jnp.int32(0), key)[1]) for key in jax.random.split(KEY, 20)} > {0, 3}


def test_rocking_reaches_the_flag_and_pushing_weakly_takes_longer():
    car = SparseMountainCar()
    run = jax.jit(lambda policy: traced_episodes(policy, car, KEY, episodes=4, longest=999))
    strong, weak = run(Rocking(1.0, 0.0)), run(Rocking(0.4, 0.3))
    assert (strong.returns == 1).all() and (weak.returns == 1).all()
    assert weak.lengths.mean() > strong.lengths.mean() + 20
    assert Rocking(0.5, 0.0)(jnp.array([0.0, -0.01]), (), KEY)[0] == -0.5
