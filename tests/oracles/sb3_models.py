"""Models that Stable-Baselines3 makes, and what it answers: the artefacts of tests/policies/foreign.

    python -m venv /tmp/sb3 && /tmp/sb3/bin/pip install stable-baselines3==2.9.2 torch==2.13.0
    /tmp/sb3/bin/python tests/oracles/sb3_models.py tests/policies/foreign

Writes one `sb3_<name>.zip` for each kind of policy (width 8, so that they stay small; members are deflated, and the
optimisers' states, which no reader asks for, are left out), the statistics of one VecNormalize, and
`stable_baselines3.json`: observations, the actions `model.predict(deterministic=True)` gives for them, values, Q-values
or probabilities where there are some, and returns of held-out episodes by the library's own loop.
"""

import json
import sys
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

HELD_OUT = 1_000_003
EPISODES = 5
OUT = Path(sys.argv[1])


class Uneven(gym.Env):
    """Three numbers in, two actions with bounds that differ and are not symmetric: scaling that is wrong shows."""

    observation_space = spaces.Box(-1.0, 1.0, (3,))
    action_space = spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 0.5], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.time += 1
        return self.observation_space.sample(), float(-np.sum(np.square(action))), False, self.time >= 20, {}


class Gears(Uneven):
    """Two choices at once."""

    action_space = spaces.MultiDiscrete([2, 3])


class Goal(Uneven):
    """Observations with names, one of them a choice."""

    observation_space = spaces.Dict({"where": spaces.Box(-1.0, 1.0, (2,)), "mode": spaces.Discrete(3)})


class Pictures(gym.Env):
    """Small pictures in two colours, higher than wide; three choices, or two numbers."""

    observation_space = spaces.Box(0, 255, (40, 36, 2), np.uint8)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.time += 1
        return self.observation_space.sample(), float(np.sum(action)), False, self.time >= 20, {}


class PicturesToNumbers(Pictures):
    action_space = Uneven.action_space


class Doubled(BaseFeaturesExtractor):
    """A class of the user's own, which no zip can be read without."""

    def __init__(self, space):
        super().__init__(space, space.shape[0])

    def forward(self, obs):
        return 2 * obs


def thin(model) -> None:
    """Most weights of convolutions become zero, so that the file deflates; the answers are made after."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.policy.named_parameters():
            if ".cnn." in name and weight.ndim == 4:
                weight.mul_(8 * (torch.rand(weight.shape, generator=generator) < 0.03))


def slim(path: Path, *, whole: bool = False) -> None:
    """Deflate the members, and leave out what only learning needs, unless the library itself is to open the file."""
    with zipfile.ZipFile(path) as old:
        kept = {name: old.read(name) for name in old.namelist() if whole or "optimizer" not in name}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, content in kept.items():
            new.writestr(name, content)


def observations(space, number=12):
    space.seed(0)
    drawn = [space.sample() for _ in range(number)]
    if isinstance(space, spaces.Dict):
        return {name: np.stack([each[name] for each in drawn]) for name in space.spaces}
    if len(space.shape) == 3:  # one dark on the left, one above: noise alone looks all alike
        drawn[0][..., : space.shape[-1] // 2], drawn[1][:, : space.shape[1] // 2] = 0, 0
        return np.stack(drawn[:2])
    return np.clip(np.stack(drawn), -5, 5)


def answers(model, obs):
    found = {"action": model.predict(obs, deterministic=True)[0].tolist()}
    with torch.no_grad():
        tensor, _ = model.policy.obs_to_tensor(obs)
        if hasattr(model.policy, "predict_values"):
            found["value"] = model.policy.predict_values(tensor)[:, 0].tolist()
            distribution = model.policy.get_distribution(tensor).distribution
            if isinstance(distribution, torch.distributions.Categorical):
                found["probabilities"] = distribution.probs.tolist()
            if isinstance(distribution, list):
                found["probabilities"] = torch.cat([each.probs for each in distribution], dim=1).tolist()
        if hasattr(model.policy, "q_net"):
            found["q"] = model.policy.q_net(tensor).tolist()
        if hasattr(model.policy, "critic"):
            scaled = torch.as_tensor(model.policy.scale_action(np.array(found["action"], np.float32)))
            found["value"] = torch.cat(model.policy.critic(tensor, scaled), dim=1).min(dim=1).values.tolist()
    return found


def returns(model, env_id, normalise=lambda obs: obs):
    totals = []
    for episode in range(EPISODES):
        env, total, over = gym.make(env_id), 0.0, False
        obs, _ = env.reset(seed=HELD_OUT + episode)
        while not over:
            action, _ = model.predict(normalise(obs), deterministic=True)
            obs, reward, terminated, truncated, _ = env.step(action)
            total, over = total + float(reward), terminated or truncated
        totals.append(total)
    return totals


SMALL = {"net_arch": [8, 8]}
OFF = {"learning_starts": 20, "buffer_size": 1000}
# name: (algorithm, policy, environment, steps, keywords)
MODELS = {
    "ppo_cartpole": (sb3.PPO, "MlpPolicy", "CartPole-v1", 20_000, {"policy_kwargs": SMALL}),
    "a2c_cartpole": (sb3.A2C, "MlpPolicy", "CartPole-v1", 200, {"policy_kwargs": SMALL}),
    "dqn_cartpole": (sb3.DQN, "MlpPolicy", "CartPole-v1", 300, {"policy_kwargs": SMALL, **OFF}),
    "sac_pendulum": (sb3.SAC, "MlpPolicy", "Pendulum-v1", 6000, {"policy_kwargs": SMALL, "learning_rate": 3e-3}),
    "td3_uneven": (sb3.TD3, "MlpPolicy", Uneven, 60, {"policy_kwargs": {"net_arch": {"pi": [8], "qf": [4]}}, **OFF}),
    "sac_sde_uneven": (sb3.SAC, "MlpPolicy", Uneven, 60, {"policy_kwargs": SMALL, "use_sde": True, **OFF}),
    "ppo_squashed_uneven": (
        sb3.PPO, "MlpPolicy", Uneven, 64,
        {"policy_kwargs": {"net_arch": [8], "squash_output": True}, "use_sde": True, "n_steps": 64},
    ),
    "ppo_gears": (
        sb3.PPO, "MlpPolicy", Gears, 64,
        {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [4, 4]}, "activation_fn": torch.nn.ELU}, "n_steps": 64},
    ),
    "ppo_pictures": (
        sb3.PPO, "CnnPolicy", Pictures, 64,
        {"policy_kwargs": {"net_arch": [4], "features_extractor_kwargs": {"features_dim": 8}}, "n_steps": 64},
    ),
    "dqn_pictures": (
        sb3.DQN, "CnnPolicy", Pictures, 30,
        {"policy_kwargs": {"net_arch": [4], "features_extractor_kwargs": {"features_dim": 8}}, **OFF},
    ),
    "sac_pictures": (
        sb3.SAC, "CnnPolicy", PicturesToNumbers, 30,
        {"policy_kwargs": {"net_arch": [4], "features_extractor_kwargs": {"features_dim": 8}}, **OFF},
    ),
    "ppo_goal": (sb3.PPO, "MultiInputPolicy", Goal, 64, {"policy_kwargs": {"net_arch": [8]}, "n_steps": 64}),
    "ppo_custom": (
        sb3.PPO, "MlpPolicy", Uneven, 64,
        {"policy_kwargs": {"net_arch": [4], "features_extractor_class": Doubled}, "n_steps": 64},
    ),
}  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    found = {"versions": {"stable_baselines3": sb3.__version__, "torch": torch.__version__}, "models": {}}
    for name, (algorithm, policy, env, steps, keywords) in MODELS.items():
        known = isinstance(env, str)
        model = algorithm(policy, env if known else env(), seed=0, device="cpu", **keywords)
        model.learn(steps)
        thin(model)
        model.save(OUT / f"sb3_{name}.zip")
        slim(OUT / f"sb3_{name}.zip", whole=name == "ppo_custom")
        obs = observations(model.observation_space)
        # The library has moved the channels of pictures to the front; environments show them last.
        shown = np.moveaxis(obs, 1, -1) if np.ndim(obs) == 4 else obs
        listed = {key: part.tolist() for key, part in obs.items()} if isinstance(obs, dict) else shown.tolist()
        found["models"][name] = {"obs": listed, **answers(model, obs)}
        if known:
            found["models"][name] |= {"env": env, "returns": returns(model, env)}
        print(name, (OUT / f"sb3_{name}.zip").stat().st_size, found["models"][name].get("returns"))
    env = VecNormalize(DummyVecEnv([lambda: gym.make("Pendulum-v1")]), norm_reward=True, clip_obs=1.5)
    small = {"net_arch": [8], "activation_fn": torch.nn.ReLU}
    model = sb3.PPO("MlpPolicy", env, seed=0, n_steps=256, policy_kwargs=small, device="cpu").learn(1024)
    model.save(OUT / "sb3_ppo_normalised.zip")
    slim(OUT / "sb3_ppo_normalised.zip")
    env.save(str(OUT / "sb3_vecnormalize.pkl"))
    env.training = False
    obs = observations(gym.make("Pendulum-v1").observation_space)
    found["models"]["ppo_normalised"] = {
        "obs": obs.tolist(),
        **answers(model, env.normalize_obs(obs)),
        "env": "Pendulum-v1",
        "returns": returns(model, "Pendulum-v1", env.normalize_obs),
        "mean": env.obs_rms.mean.tolist(),
        "var": env.obs_rms.var.tolist(),
        "epsilon": env.epsilon,
        "clip": env.clip_obs,
    }
    (OUT / "stable_baselines3.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
