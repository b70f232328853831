import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.policies.jump_start import DrawnStart, JumpStart
from pilothouse.policies.policy import Memoryless
from pilothouse.rollout.collect import collect_fresh
from pilothouse.rollout.episodes import tasks_for
from pilothouse.worlds.pendulum import Pendulum


class Always(Memoryless):
    push: float

    def __call__(self, obs, carry, key):
        return jnp.full(1, self.push), carry, {}


def test_the_guide_acts_first_and_for_as_long_as_it_is_told_in_every_episode() -> None:
    key = jax.random.key(0)
    world = Pendulum(horizon=5)
    for steps in (0, 2, 9):
        policy = JumpStart(Always(1.0), Always(-1.0), jnp.int32(steps))
        rows = collect_fresh(policy, world, tasks_for(world, 2, key), 2, 5, key)[0]
        wanted = np.where(np.arange(5) < steps, 1.0, -1.0)
        np.testing.assert_array_equal(rows.action[..., 0], np.stack([wanted, wanted], axis=1))
        np.testing.assert_array_equal(rows.guided[:, 0], np.arange(5) < steps)
    carry = policy.reset((jnp.int32(7), (), ()), (), key)
    assert int(carry[0]) == 0  # counts anew, whatever the last episode left


def test_where_the_guide_ends_is_drawn_for_each_episode_and_kept_in_it() -> None:
    world, key, episodes = Pendulum(horizon=6), jax.random.key(0), 400
    policy = DrawnStart(Always(1.0), Always(-1.0), 4)
    rows = collect_fresh(policy, world, tasks_for(world, episodes, key), episodes, 6, key)[0]
    steps = np.asarray(rows.guided).sum(axis=0)
    np.testing.assert_array_equal(rows.guided, np.arange(6)[:, None] < steps)  # the guide first, and never again
    np.testing.assert_array_equal(rows.action[..., 0], np.where(rows.guided, 1.0, -1.0))
    counts = np.bincount(steps, minlength=6)
    assert counts[5] == 0 and (counts[:5] > episodes / 5 * 0.6).all()  # evenly from 0 to 4
    carry = policy.reset(policy.reset(None, (), key), (), jax.random.key(1))
    assert int(carry[1][0]) == 0
