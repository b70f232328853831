"""Names of what is observed: of the environment's own, of MuJoCo's joints, of the documentation; never the wrong number."""

import gymnasium as gym
import numpy as np
import pytest

from pilothouse.worlds.host import GymnasiumWorld
from pilothouse.worlds.observed import observation_names
from pilothouse.worlds.registry import world


def test_joints_of_a_hopper_name_its_numbers() -> None:
    pytest.importorskip("mujoco")
    env = gym.make("Hopper-v5")
    names = observation_names(env, 11)
    assert names is not None and names[:3] == ("rootz position", "rooty angle", "thigh angle")
    assert names[5:7] == ("rootx velocity", "rootz velocity") and names[-1] == "foot velocity"
    # The height that is called so is the height: the second number of the joints' places.
    obs, _ = env.reset(seed=0)
    data = env.unwrapped.data  # pyright: ignore
    assert obs[names.index("rootz position")] == data.qpos[1] and obs[names.index("rooty angle")] == data.qpos[2]
    assert obs[names.index("rootx velocity")] == np.clip(data.qvel[0], -10, 10)


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Walker2d-v5", "Swimmer-v5", "InvertedPendulum-v5", "Ant-v5"])
def test_every_number_of_mujocos_environments_has_its_own_name(env_id: str) -> None:
    pytest.importorskip("mujoco")
    env = gym.make(env_id)
    size = int(np.prod(env.observation_space.shape or ()))
    names = observation_names(env, size)
    assert names is not None and len(set(names)) == size


@pytest.mark.parametrize("name", ["cartpole", "pendulum", "acrobot", "mountain-car-continuous", "point-maze"])
def test_jax_worlds_name_as_many_as_they_show(name: str) -> None:
    made = world(name)
    assert len(made.observation_names) == made.spec.obs.size


def test_documented_names_and_unknown_ones() -> None:
    assert GymnasiumWorld("CartPole-v1").observation_names == world("cartpole").observation_names
    assert GymnasiumWorld("FrozenLake-v1").observation_names is None


def test_an_environments_own_names_are_taken_and_too_few_are_not() -> None:
    class Named(gym.Env):
        observation_space = gym.spaces.Box(-1, 1, (2,))
        action_space = gym.spaces.Discrete(2)
        observation_names = ("pressure", "heat")

    assert observation_names(Named(), 2) == ("pressure", "heat")
    assert observation_names(Named(), 3) is None
