import os
import sys

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import CheckpointError, MissingExtraError, SettingError, SpaceError, UnknownNameError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete
from pilothouse.worlds.host import GymnasiumWorld

ODD = """
import gymnasium, numpy as np
from gymnasium import spaces

class Odd(gymnasium.Env):
    '''Choices that do not count from 0, a Dict observation with a mask, one array written over and over.'''
    observation_space = spaces.Dict({
        "seen": spaces.Box(-9, 9, (2,), np.float64), "place": spaces.Discrete(4, start=3),
        "action_mask": spaces.Box(0, 1, (3,), np.int8)})
    action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.out = (options or {}).get("count", 0), np.zeros(2)
        return self.look(), {}

    def look(self):
        self.out += 1
        return {"seen": self.out, "place": 3 + int(self.count) % 4, "action_mask": np.array([1, 0, 1], np.int8)}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.count += action
        return self.look(), float(action), bool(self.count >= 3), False, {}

class Masked(gymnasium.Env):
    '''A plain observation, and a mask in `info`; a MultiDiscrete action.'''
    observation_space, action_space = spaces.Discrete(5), spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return int(self.np_random.integers(5)), {"action_mask": np.array([1, 1, 0, 1, 0], np.int8)}

    def step(self, action):
        assert self.action_space.contains(action), action
        return int(action.sum()), 1.0, False, False, {"action_mask": np.array([0, 1, 0, 1, int(action[0])], np.int8)}

class Several(gymnasium.Env):
    '''A Dict of actions.'''
    observation_space = spaces.Box(0, 255, (16, 16, 3), np.uint8)
    action_space = spaces.Dict({"turn": spaces.Discrete(2, start=5), "push": spaces.Box(-1, 2, (2,), np.float32)})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(0, 256, (16, 16, 3), np.uint8), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return np.full((16, 16, 3), int(10 * action["push"].sum()) + action["turn"], np.uint8), 0.0, False, False, {}

class Refused(gymnasium.Env):
    observation_space = spaces.Tuple((spaces.Discrete(2),))
    action_space = spaces.Discrete(2)

class Lacking(gymnasium.Env):
    def __init__(self, render_mode=None):
        raise gymnasium.error.DependencyNotInstalled("MuJoCo is not installed")

for name in ("Odd", "Masked", "Several", "Refused", "Lacking"):
    gymnasium.register(name + "-v0", entry_point=f"odd_envs:{name}", max_episode_steps=50)
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    (tmp_path / "odd_envs.py").write_text(ODD)
    monkeypatch.syspath_prepend(tmp_path)
    yield "odd_envs"
    sys.modules.pop("odd_envs", None)
    for name in [
        name for name in gymnasium.registry if str(gymnasium.registry[name].entry_point).startswith("odd_envs")
    ]:
        del gymnasium.registry[name]


def actions_for(world, steps, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-2, 2, (steps, world.size, *world.spec.action.shape)).astype(np.float32)


def test_each_copy_equals_an_environment_of_its_own():
    world = GymnasiumWorld("Pendulum-v1", 3)
    assert world.horizon == 200 and world.spec.action == Box((1,), -2.0, 2.0)
    obs = world.reset([0, 1, 2], [5, 6, 7])
    assert obs.shape == (3, 3) and obs.dtype == np.float32
    actions = actions_for(world, 200)
    outcomes = [world.step(row) for row in actions]
    for copy, seed in enumerate((5, 6, 7)):
        env = gymnasium.make("Pendulum-v1")
        np.testing.assert_array_equal(obs[copy], env.reset(seed=seed)[0])
        for row, outcome in zip(actions, outcomes, strict=True):
            seen, reward, terminated, truncated, _ = env.step(row[copy])
            np.testing.assert_array_equal(outcome.next_obs[copy], seen)
            np.testing.assert_allclose(outcome.reward[copy], reward, rtol=1e-6)
            assert (outcome.terminated[copy], outcome.truncated[copy]) == (terminated, truncated)
    assert outcomes[-1].truncated.all() and not outcomes[-1].terminated.any()


def test_outcomes_are_fresh_arrays():
    world = GymnasiumWorld("Pendulum-v1", 2)
    world.reset([0, 1], [0, 1])
    first = world.step(np.zeros((2, 1), np.float32))
    kept = first.next_obs.copy()
    world.step(np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(first.next_obs, kept)


def test_actions_beyond_the_bounds_are_clipped():
    wide, edge = GymnasiumWorld("InvertedPendulum-v5"), GymnasiumWorld("InvertedPendulum-v5")
    for world in (wide, edge):
        world.reset([0], [1])
    far = wide.step(np.array([[50.0]], np.float32))
    near = edge.step(np.array([[3.0]], np.float32))
    np.testing.assert_array_equal(far.next_obs, near.next_obs)


def test_a_finished_copy_stands_still_until_its_reset():
    world = GymnasiumWorld("CartPole-v1", 2)
    world.reset([0, 1], [0, 1])
    for turn in range(60):
        last = world.step(np.array([1, turn % 2]))
        if last.terminated[0]:
            break
    assert last.terminated.tolist() == [True, False]
    later = world.step(np.array([1, 0]))
    np.testing.assert_array_equal(later.next_obs[0], last.next_obs[0])
    assert later.reward.tolist() == [0, 1] and later.terminated.tolist() == [True, False]
    assert (later.next_obs[1] != last.next_obs[1]).any()
    fresh = world.reset([0], [9])
    np.testing.assert_array_equal(fresh[0], gymnasium.make("CartPole-v1").reset(seed=9)[0])
    assert not world.step(np.array([0, 1])).terminated[0]


@pytest.mark.parametrize("env", ["HalfCheetah-v5", "InvertedDoublePendulum-v5"])
def test_a_restored_world_goes_on_to_the_last_bit(env):
    world, again = GymnasiumWorld(env, 2), GymnasiumWorld(env, 2)
    obs = world.reset([0, 1], [3, 4])
    actions = actions_for(world, 60)
    for turn, row in enumerate(actions[:40]):
        outcome = world.step(row)
        obs = outcome.next_obs
        over = np.flatnonzero(outcome.terminated | outcome.truncated | (np.arange(2) * turn == 25))
        if len(over):
            obs[over] = world.reset(over, over + turn)
    snapshot = world.snapshot()
    assert snapshot["lengths"].sum() == len(snapshot["actions"]) and snapshot["lengths"][1] < 40
    np.testing.assert_array_equal(again.restore(snapshot), obs)
    for row in actions[40:]:
        ours, other = world.step(row), again.step(row)
        for name in ours:
            np.testing.assert_array_equal(ours[name], other[name])
    np.testing.assert_array_equal(world.snapshot()["actions"], again.snapshot()["actions"])


def test_a_replay_of_a_finished_copy_finishes_too():
    world, again = GymnasiumWorld("CartPole-v1", 2), GymnasiumWorld("CartPole-v1", 2)
    world.reset([0, 1], [0, 1])
    outcome = [world.step(np.array([1, turn % 2])) for turn in range(20)][-1]
    assert outcome.terminated[0]
    np.testing.assert_array_equal(again.replay(world.history(), [0, 1]), outcome.next_obs)
    assert again.step(np.array([0, 0])).terminated[0]


def test_a_dict_of_observations_a_mask_and_choices_from_elsewhere(odd):
    world = GymnasiumWorld("odd_envs:Odd-v0", 2)
    obs_space = DictSpace.of({"seen": Box((2,), -9.0, 9.0), "place": Discrete(4), MASK: Box((3,), 0.0, 1.0, "int8")})
    assert world.spec.obs == obs_space and world.spec.action == Discrete(3) and world.spec.masked
    obs = world.reset([0, 1], [0, 0], {"count": np.array([0, 2])})
    assert obs["place"].tolist() == [0, 2] and obs["seen"].dtype == np.float32 and obs[MASK].tolist() == [[1, 0, 1]] * 2
    outcome = world.step(np.array([2, 2]))  # +1 in the environment's own counting
    assert outcome.next_obs["place"].tolist() == [1, 3] and outcome.reward.tolist() == [1, 1]
    assert outcome.terminated.tolist() == [False, True] and outcome.next_obs["place"].dtype == np.int32
    snapshot = world.snapshot()
    assert snapshot["task"]["count"].tolist() == [0, 2]
    again = GymnasiumWorld("odd_envs:Odd-v0", 2)
    for name, part in again.restore(snapshot).items():
        np.testing.assert_array_equal(part, outcome.next_obs[name])
    frames = again.replay_frames(world.history(), [0, 0], {"count": np.array([0, 2])}, last=3)
    assert frames["seen"][0, :, 0].tolist() == [1, 1, 2]  # though the environment wrote into one array


def test_a_mask_in_info_joins_the_observation(odd):
    world = GymnasiumWorld("odd_envs:Masked-v0", 2)
    assert world.spec.obs.spaces == {"obs": Discrete(5), MASK: Box((5,), 0.0, 1.0, "int8")}
    assert world.spec.action == MultiDiscrete((2, 3))
    obs = world.reset([1], [0])
    assert obs[MASK].tolist() == [[1, 1, 0, 1, 0]] and obs["obs"].shape == (1,)
    world.reset([0], [0])
    outcome = world.step(np.array([[1, 2], [0, 1]]))
    assert outcome.next_obs["obs"].tolist() == [3, 1] and outcome.next_obs[MASK][:, 4].tolist() == [1, 0]


def test_gymnasiums_own_mask_is_found():
    world = GymnasiumWorld("Taxi-v4" if "Taxi-v4" in gymnasium.registry else "Taxi-v3")
    assert world.spec.masked and world.spec.obs.spaces["obs"] == Discrete(500)
    assert world.reset([0], [0])[MASK].sum() >= 1


def test_a_dict_of_actions_and_images(odd):
    world, again = GymnasiumWorld("odd_envs:Several-v0", 2), GymnasiumWorld("odd_envs:Several-v0", 2)
    assert world.spec.obs.is_image
    world.reset([0, 1], [0, 1])
    outcome = world.step({"turn": np.array([0, 1]), "push": np.array([[1, 1], [9, -9]], np.float32)})
    assert outcome.next_obs.dtype == np.uint8 and outcome.next_obs[:, 0, 0, 0].tolist() == [25, 16]
    np.testing.assert_array_equal(again.restore(world.snapshot()), outcome.next_obs)


@settings(max_examples=10)
@given(seeds=st.lists(st.integers(0, 2**31 - 1), min_size=3, max_size=3), order=st.permutations([0, 1, 2]))
def test_an_episode_depends_on_its_own_seed_only(seeds, order):
    world = GymnasiumWorld("CartPole-v1", 3)
    forward = world.reset([0, 1, 2], seeds)
    backward = world.reset(order, [seeds[i] for i in order])
    np.testing.assert_array_equal(forward[list(order)], backward)


def test_faults_are_told_in_one_line(odd):
    with pytest.raises(UnknownNameError, match="Did you mean 'HalfCheetah-v5'"):
        GymnasiumWorld("HalfCheeta-v5")
    with pytest.raises(UnknownNameError, match="cannot be imported"):
        GymnasiumWorld("no_such_module:X-v0")
    with pytest.raises(SpaceError, match="supported"):
        GymnasiumWorld("odd_envs:Refused-v0")
    with pytest.raises(MissingExtraError, match=r"pilothouse\[mujoco\]"):
        GymnasiumWorld("odd_envs:Lacking-v0")
    with pytest.raises(SettingError, match="cannot be made"):
        GymnasiumWorld("CartPole-v1", strange=3)
    with pytest.raises(SettingError, match="size=0"):
        GymnasiumWorld("CartPole-v1", 0)
    world = GymnasiumWorld("CartPole-v1", 2)
    with pytest.raises(SettingError, match="never reset"):
        world.snapshot()
    world.reset([0, 1], [0, 1])
    with pytest.raises(SpaceError, match="3 actions for 2 copies"):
        world.step(np.zeros(3, int))
    with pytest.raises(CheckpointError, match="as many copies"):
        world.replay([np.zeros(0, int)], [0])
    with pytest.raises(SettingError, match="render_mode"):
        world.render(0)
    with pytest.raises(SettingError, match="one seed for each"):
        world.reset([0], [0, 1])


def test_mujoco_writes_no_file_into_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = GymnasiumWorld("HalfCheetah-v5")  # its model alone makes MuJoCo complain
    world.reset([0], [0])
    world._envs[0].unwrapped.data.qvel[:] = 1e12  # and this simulation blows up
    world.step(np.zeros((1, 6), np.float32))
    assert os.listdir(tmp_path) == []
