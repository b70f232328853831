"""Watching: rows as the place gave them, either kind of policy and place alike, whole episodes held out."""

import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete
from pilothouse.explain.watched import feature_names, flat, watch
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Memoryless
from pilothouse.train.sources import SimulatorSource, WorldSource
from pilothouse.worlds.cartpole import CartPole

PLACE = WorldSource("cartpole", CartPole(horizon=30))


class Leans(Memoryless):
    """Pushes to the side the pole leans to, and says how sure it is."""

    def __call__(self, obs, carry, key):
        told = {"value": obs[2] * 2.0, "key": key, "chain": jnp.zeros((2, 2)), "memory": (obs,)}
        return (obs[2] + 0.3 * obs[3] > 0).astype(jnp.int32), carry, told


class HostLeans(HostPolicy):
    name, spec = "leans", PLACE.spec

    def act_many(self, obs, carry, seed):
        return (obs[:, 2] + 0.3 * obs[:, 3] > 0).astype(np.int32), carry, {"value": obs[:, 2] * 2.0}


class Left(Memoryless):
    def __call__(self, obs, carry, key):
        return jnp.zeros((), jnp.int32), carry, {}


@pytest.fixture(scope="module")
def leaning():
    return watch(Leans(), PLACE, 5, seed=3)


def test_rows_of_an_episode_follow_each_other(leaning) -> None:
    assert leaning.names == ("cart position", "cart velocity", "pole angle", "pole angular velocity")
    assert leaning.choices == 2
    assert leaning.obs.shape == leaning.next_obs.shape == (len(leaning), 4)
    for one in leaning.episodes:
        mine = leaning.rows(leaning.episode == one)
        np.testing.assert_array_equal(mine.step, np.arange(len(mine)))
        np.testing.assert_array_equal(mine.obs[1:], mine.next_obs[:-1])
        assert (mine.terminated | mine.truncated).tolist() == [False] * (len(mine) - 1) + [True]
    assert set(leaning.extras) == {"value"}  # no keys, chains or memories
    np.testing.assert_allclose(leaning.extras["value"], 2 * leaning.obs[:, 2], rtol=1e-6)
    np.testing.assert_allclose(leaning.returns, [30.0] * 5)  # it balances, one point a step


def test_a_policy_of_either_kind_meets_the_same_episodes(leaning) -> None:
    host = watch(HostLeans(), PLACE, 5, seed=3)
    np.testing.assert_array_equal(host.obs, leaning.obs)
    np.testing.assert_array_equal(host.action, leaning.action)
    other = watch(Left(), PLACE, 5, seed=3)
    np.testing.assert_array_equal(other.obs[other.step == 0], leaning.obs[leaning.step == 0])
    assert other.terminated.sum() == 5 and (other.returns < 15).all()


def test_an_episode_has_its_seed_whatever_stands_beside_it(leaning) -> None:
    fewer = watch(Leans(), PLACE, 2, seed=4)
    np.testing.assert_array_equal(fewer.obs[fewer.step == 0], leaning.obs[leaning.step == 0][1:3])


def test_a_simulator_is_watched_as_a_world_is() -> None:
    seen = watch(HostLeans(), SimulatorSource("CartPole-v1"), 2, seed=0, longest=20)
    assert len(seen) == 40 and seen.truncated.sum() == 2 and not seen.terminated.any()
    np.testing.assert_array_equal(seen.obs[1:20], seen.next_obs[:19])


def test_held_out_episodes_are_whole(leaning) -> None:
    first, second = leaning.split(0.4, seed=0)
    assert set(first.episodes).isdisjoint(second.episodes) and len(second.episodes) == 2
    assert len(first) + len(second) == len(leaning)
    with pytest.raises(SettingError, match="at least 2"):
        second.rows(second.episode == second.episodes[0]).split(0.5, seed=0)


def test_features_of_every_space_are_named_in_their_order() -> None:
    space = DictSpace.of(
        {"b": Discrete(3), "a": Box((2,)), "action_mask": Box((4,), 0.0, 1.0), "c": MultiDiscrete((2, 2))}
    )
    obs = {"a": [[0.5, -1.0]], "b": [2], "c": [[1, 0]], "action_mask": [[1, 1, 1, 1]]}
    assert feature_names(space) == ("a.x0", "a.x1", "b=0", "b=1", "b=2", "c.x0=0", "c.x0=1", "c.x1=0", "c.x1=1")
    np.testing.assert_allclose(flat(space, obs), [[0.5, -1.0, 0, 0, 1, 0, 1, 1, 0]])
    with pytest.raises(SpaceError, match="pictures"):
        feature_names(Box((8, 8, 3), 0, 255, "uint8"))
