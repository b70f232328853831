"""What a rollout says about the ends of episodes."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.rollout.collect import act, act_with, begin, collect, collect_fresh, keys_for
from pilothouse.worlds.world import Outcome


class Counter(eqx.Module):
    """Counts up from the task; terminates at 3 where the task is even, and is truncated there where it is odd."""

    horizon: int = eqx.field(static=True, default=3)

    @property
    def spec(self) -> Spec:
        return Spec(Box((1,), -100.0, 100.0), Discrete(2))

    def reset(self, task: Any, key: Any) -> Any:
        first = jnp.asarray(task, jnp.float32)
        return (first, jnp.int32(0), jnp.int32(task)), first[None]

    def step(self, state: Any, action: Any, key: Any) -> Any:
        value, count, task = state
        count, value = count + 1, value + 10
        over, even = count >= 3, task % 2 == 0
        outcome = Outcome(next_obs=value[None], reward=value, terminated=over & even, truncated=over & ~even)
        return (value, count, task), outcome


class Remembering(eqx.Module):
    """Its carry counts the steps since the episode began."""

    def reset(self, carry: Any, task: Any, key: Any) -> Any:
        return jnp.int32(0)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jax.random.bernoulli(key).astype(jnp.int32), carry + 1, {"age": carry}


KEY, WORLD, TASKS = jax.random.key(0), Counter(), jnp.array([0, 1])


def test_ends_keep_the_true_next_observation_and_memories_begin_anew() -> None:
    acting = begin(WORLD, TASKS, 2, KEY)
    after, rows, sums = collect(Remembering(), WORLD, acting, "0", 4, None, KEY)
    np.testing.assert_array_equal(rows.obs[:, :, 0], [[0, 1], [10, 11], [20, 21], [0, 1]])
    np.testing.assert_array_equal(rows.next_obs[:, :, 0], [[10, 11], [20, 21], [30, 31], [10, 11]])
    np.testing.assert_array_equal(rows.terminated, [[False, False], [False, False], [True, False], [False, False]])
    np.testing.assert_array_equal(rows.truncated, [[False, False], [False, False], [False, True], [False, False]])
    np.testing.assert_array_equal(rows.episode_id, [[0, 1], [0, 1], [0, 1], [2, 3]])
    np.testing.assert_array_equal(rows.age, [[0, 0], [1, 1], [2, 2], [0, 0]])
    assert rows.valid.all()
    total, count = sums["episode/return"]
    np.testing.assert_allclose([total, count], [10 + 20 + 30 + 11 + 21 + 31, 2])
    np.testing.assert_allclose(sums["episode/length"], (6, 2))
    # Going on from where it stood: the memory goes on too.
    _, more, _ = collect(Remembering(), WORLD, after, "0", 2, None, jax.random.fold_in(KEY, 1))
    np.testing.assert_array_equal(more.obs[:, :, 0], [[10, 11], [20, 21]])
    np.testing.assert_array_equal(more.age, [[1, 1], [2, 2]])


def test_fresh_episodes_are_not_valid_after_their_end() -> None:
    rows, sums = collect_fresh(Remembering(), WORLD, TASKS, 2, 5, KEY)
    np.testing.assert_array_equal(rows.valid, [[True] * 2] * 3 + [[False] * 2] * 2)
    np.testing.assert_array_equal(rows.reward.sum(axis=0), [60, 63])
    assert not rows.terminated[3:].any() and not rows.truncated[3:].any()
    np.testing.assert_array_equal(rows.task, TASKS)
    np.testing.assert_allclose(sums["episode/return"], (123, 2))


def test_new_tasks_are_drawn_only_where_an_episode_ended() -> None:
    acting = begin(WORLD, TASKS, 2, KEY)
    draw = lambda key: jnp.array([6, 8])  # noqa: E731
    _, rows, _ = collect(Remembering(), WORLD, acting, "0", 4, draw, KEY)
    np.testing.assert_array_equal(rows.obs[:, :, 0], [[0, 1], [10, 11], [20, 21], [6, 8]])


def test_keys_made_beforehand_are_those_made_on_the_way() -> None:
    obs, carry = jnp.zeros((2, 1)), jnp.zeros(2, jnp.int32)
    one = act(Remembering(), obs, carry, KEY, each=False)
    two = act_with(Remembering(), obs, carry, keys_for("act", KEY, 2), each=False)
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_each_environment_has_its_own_policy_where_told() -> None:
    class Fixed(eqx.Module):
        action: Any

        def reset(self, carry: Any, task: Any, key: Any) -> Any:
            return ()

        def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
            return self.action, carry, {}

    rows, _ = collect_fresh(Fixed(jnp.array([0, 1])), WORLD, TASKS, 2, 3, KEY, each=True)
    np.testing.assert_array_equal(rows.action, [[0, 1]] * 3)
