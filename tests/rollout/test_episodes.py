"""Whole episodes for measuring: in a compiled program and in host simulators, the same arithmetic."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, Spec
from pilothouse.policies.exploration import Greedy
from pilothouse.rollout.collect import begin, collect, collect_fresh
from pilothouse.rollout.episodes import host_episodes, tasks_for, traced_episodes
from pilothouse.worlds.world import Outcome


class Climb(eqx.Module):
    """Step t brings t; over after `task` steps, by termination where that is even and by truncation where it is odd.

    It goes on stepping after its end, so that whatever is counted too long shows.
    """

    @property
    def spec(self) -> Spec:
        return Spec(Box((1,), -100.0, 100.0), Discrete(2))

    def sample_task(self, key: Any) -> Any:
        return jax.random.randint(key, (), 1, 5)

    def reset(self, task: Any, key: Any) -> Any:
        return (jnp.int32(0), jnp.asarray(task, jnp.int32)), jnp.zeros(1)

    def step(self, state: Any, action: Any, key: Any) -> Any:
        time, task = state[0] + 1, state[1]
        even, over = task % 2 == 0, time >= task
        reward = time.astype(jnp.float32)
        return (time, task), Outcome(reward[None], reward, over & even, over & ~even)


class Ages(eqx.Module):
    """Does its age, which is its carry: 0, 1, 2, …"""

    def reset(self, carry: Any, task: Any, key: Any) -> Any:
        return jnp.int32(0)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return carry % 2, carry + 1, {}


class HostClimb:
    """`Climb` on the host; the seed is the task. Notes what it was given."""

    spec = Climb().spec

    def __init__(self, size: int):
        self.size, self.time, self.tasks = size, np.zeros(size, int), np.zeros(size, int)
        self.actions: list[np.ndarray] = []

    def reset(self, indices: Sequence[int], seeds: Sequence[int], task: Any = ()) -> np.ndarray:
        self.time[list(indices)], self.tasks[list(indices)] = 0, seeds
        return np.zeros((len(indices), 1), np.float32)

    def step(self, actions: np.ndarray) -> Batch:
        self.actions.append(np.array(actions))
        self.time += 1
        over, even = self.time >= self.tasks, self.tasks % 2 == 0
        reward = self.time.astype(np.float32)
        return Batch(next_obs=reward[:, None], reward=reward, terminated=over & even, truncated=over & ~even)

    def close(self) -> None: ...


LENGTHS = [1, 2, 3, 4]
RETURNS = [1, 3, 6, 10]  # 1, 1 + 2, 1 + 2 + 3, …


def traced(**given: Any) -> Any:
    return traced_episodes(
        Ages(), Climb(), jax.random.key(0), episodes=4, tasks=jnp.array(LENGTHS), **{"longest": 9, **given}
    )


def hosted(**given: Any) -> Any:
    actor = lambda obs, carry, step: (np.full(4, step), step)  # noqa: E731
    return host_episodes(actor, HostClimb(4), LENGTHS, **{"longest": 9, **given})


@pytest.mark.parametrize("run", [traced, hosted])
def test_nothing_counts_after_the_end(run: Any) -> None:
    found = run()
    np.testing.assert_allclose(found.returns, RETURNS)
    np.testing.assert_array_equal(found.lengths, LENGTHS)
    assert np.all(found.ended)


@pytest.mark.parametrize("run", [traced, hosted])
def test_what_is_cut_has_not_ended(run: Any) -> None:
    found = run(longest=2)
    np.testing.assert_allclose(found.returns, [1, 3, 3, 3])
    np.testing.assert_array_equal(found.lengths, [1, 2, 2, 2])
    np.testing.assert_array_equal(found.ended, [True, True, False, False])


@pytest.mark.parametrize("run", [traced, hosted])
def test_discounts_count_from_the_first_step(run: Any) -> None:
    # 1 + 2 / 2, and so on with 3 / 4 and 4 / 8
    np.testing.assert_allclose(run(discount=0.5).returns, [1, 2, 2.75, 3.25])


def test_a_host_episode_stops_with_the_last_and_is_watched_before_every_step() -> None:
    world, watched, carries = HostClimb(2), [], []

    def actor(obs: Any, carry: Any, step: int) -> Any:
        carries.append(carry)
        obs[:] = np.nan  # what the actor does to its copy is its own business
        return np.full(2, step), step + 10

    found = host_episodes(actor, world, [3, 2], watch=lambda: watched.append(len(world.actions)))
    assert watched == [0, 1, 2] and carries == [None, 10, 11]
    np.testing.assert_array_equal(np.array(world.actions), [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_allclose(found.returns, [6, 3])


def test_worlds_draw_their_own_tasks_and_others_have_none() -> None:
    class Plain:
        pass

    assert tasks_for(Plain(), 3, jax.random.key(0)) == ()
    tasks = np.asarray(tasks_for(Climb(), 64, jax.random.key(0)))
    assert tasks.shape == (64,) and set(tasks) == {1, 2, 3, 4}
    found = traced_episodes(Ages(), Climb(), jax.random.key(0), episodes=64, longest=9)
    np.testing.assert_array_equal(found.lengths, tasks)


class Doors(eqx.Module):
    """Three doors, of which the last opened is locked; every second step ends the episode."""

    @property
    def spec(self) -> Spec:
        return Spec(DictSpace.of({MASK: Box((3,), 0.0, 1.0), "last": Discrete(3)}), Discrete(3))

    def show(self, last: Any) -> Any:
        return {MASK: (jnp.arange(3) != last).astype(jnp.float32), "last": last}

    def reset(self, task: Any, key: Any) -> Any:
        return (jnp.int32(2), jnp.int32(0)), self.show(jnp.int32(2))

    def step(self, state: Any, action: Any, key: Any) -> Any:
        time = state[1] + 1
        reward = (action != state[0]).astype(jnp.float32)
        return (action, time), Outcome(self.show(action), reward, jnp.array(False), time >= 2)


@pytest.mark.parametrize("fresh", [False, True])
def test_masks_travel_with_their_observations_and_are_kept(fresh: bool) -> None:
    policy = Greedy(lambda obs: jnp.array([0.0, 1.0, 2.0]), 0.5)
    world, key = Doors(), jax.random.key(3)
    if fresh:
        rows, _ = collect_fresh(policy, world, (), 16, 2, key)
    else:
        _, rows, _ = collect(policy, world, begin(world, (), 16, key), "0", 12, None, key)
    allowed = np.asarray(rows.obs[MASK])
    np.testing.assert_array_equal(allowed, np.arange(3) != np.asarray(rows.obs["last"])[..., None])
    chosen = np.take_along_axis(allowed, np.asarray(rows.action)[..., None], -1)
    assert (chosen == 1).all() and len(np.unique(rows.action)) == 3
    np.testing.assert_array_equal(rows.next_obs["last"], rows.action)
    np.testing.assert_array_equal(rows.next_obs[MASK], np.arange(3) != np.asarray(rows.action)[..., None])
